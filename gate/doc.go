// Package gate forwards JSON-RPC between a beacon node and its gwat, and owns
// the calls by which a beacon node of the head-sync era drives gwat.
//
// The beacon node's execution endpoint names the gate; the gate names gwat.
// Listeners are HTTP, WebSocket, and a Unix socket with a stream of JSON values
// (gwat's IPC form); the backend is any one of these, whatever the listener is.
// What is forwarded keeps its bytes, in both directions (S8). Only calls named in
// the policy table are held or answered without gwat (S10, docs/gate.md).
//
// The control loop and the gate share three things, none of which can make
// forwarding wait for the loop:
//
//   - SetView publishes what the loop knows: era and state of the pair. The gate
//     reads it through an atomic pointer; a stale view changes nothing.
//   - Calls, Subscribe and Status report what the gate saw. Memory is bounded,
//     and a reader that is slow loses the oldest calls, never delays one.
//   - Lock keeps held calls away from gwat while syncd has gwat's head lock.
//
// The order of use is New, Listen, Run; Run returns after its context ends, when
// what was held is answered and what was in flight has ended.
package gate
