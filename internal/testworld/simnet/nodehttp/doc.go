// Package nodehttp is what gwat has around its RPC server over HTTP: tokens, host names
// and compression, with the limits and texts of go-ethereum's package node. That package
// itself would bring databases and a peer-to-peer network into every simulated node.
package nodehttp
