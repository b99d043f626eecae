// Package apiclient asks a running syncd over its own API: JSON-RPC over HTTP,
// and subscriptions over WebSocket. It knows methods and forms, and leaves what
// the answers mean to its caller.
package apiclient
