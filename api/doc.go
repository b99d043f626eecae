// Package api reports what a pair does and takes orders for it: JSON-RPC 2.0
// (namespace syncd) over HTTP and WebSocket, /livez, /readyz and /metrics, all
// on one listener.
package api
