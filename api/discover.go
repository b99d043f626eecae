package api

import (
	_ "embed"
	"encoding/json"
)

// document is the OpenRPC document; a test holds it to the methods, their types
// and their live answers.
//
//go:embed openrpc.json
var document []byte

// discovery holds rpc.discover, which go-ethereum's server knows as rpc_discover.
type discovery struct{}

// Discover is rpc.discover: the OpenRPC document.
func (discovery) Discover() json.RawMessage { return document }

// BadParams is what a call with parameters of other names becomes: their error.
func (discovery) BadParams(message string) (bool, error) {
	return false, &rpcError{code: codeInvalidParams, msg: message}
}
