// Package jsonrpc makes JSON-RPC 2.0 calls to one node over HTTP, WebSocket or
// IPC (a Unix socket that carries JSON values in a row).
//
// It exists because a caller who changes a node's state must know what became of
// a call without an answer. Every such call ends with a [TransportError] whose
// [Fate] is one of three: not sent, sent but lost, or answered unreadably. Every
// answer has a size limit, on every transport.
//
// [Client] makes calls and batches. The dial functions beneath it
// ([DialIPC], [DialWebSocket], [NewTransport]) serve a proxy that passes messages
// on unread.
package jsonrpc
