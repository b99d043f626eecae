// Package gwatsim is a simulated gwat of the head-sync era: it keeps a
// real DAG of the blocks of a world.Chain, finalizes spines by the order rule,
// syncs on its own, and is served over JSON-RPC by HTTP, WebSocket and IPC. It
// answers as the real node of 2022-11-10 did, error codes and texts included.
package gwatsim
