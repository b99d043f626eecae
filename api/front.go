package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ethereum/go-ethereum/rpc"
)

var errTooMany = &rpcError{code: CodeLimit, msg: fmt.Sprintf("more than %d calls a second from this address; ask again in a second", callsPerSecond)}

// The name that OpenRPC gives its method has no namespace as go-ethereum's
// server knows one, so the call is renamed on its way there.
const (
	discoverName   = "rpc.discover"
	discoverMethod = "rpc_discover"
)

// serveRPC answers a POST of one call or a batch.
func (s *Server) serveRPC(w http.ResponseWriter, r *http.Request, server *rpc.Server) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		writeError(w, http.StatusRequestEntityTooLarge, &rpcError{code: CodeLimit, msg: fmt.Sprintf("the request is larger than %d bytes", maxBody)})
		return
	case err != nil:
		writeError(w, http.StatusBadRequest, &rpcError{code: codeParse, msg: fmt.Sprintf("the request could not be read: %v", err)})
		return
	case len(bytes.TrimSpace(raw)) == 0: // go-ethereum's server says nothing to it
		writeError(w, http.StatusOK, &rpcError{code: codeParse, msg: "the request is empty: want a JSON-RPC 2.0 call or a batch of them"})
		return
	}
	calls, body, _ := prepare(raw) // what is no JSON is refused by the server
	if !allow(s.limiters.of(r.RemoteAddr), calls-1) {
		tooMany(w)
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	server.ServeHTTP(w, r)
}

// prepare counts the calls of a request, at most a full batch and at least one,
// renames rpc.discover and puts named parameters in their order; ok is false if
// the request is no JSON.
func prepare(raw []byte) (calls int, body []byte, ok bool) {
	if !json.Valid(raw) {
		return 1, raw, false
	}
	trimmed := bytes.TrimSpace(raw)
	if trimmed[0] != '[' {
		return 1, rename(byPosition(trimmed)), true
	}
	var batch []json.RawMessage
	if err := json.Unmarshal(trimmed, &batch); err != nil {
		return 1, raw, false
	}
	calls = min(max(len(batch), 1), maxBatch)
	for i, call := range batch {
		batch[i] = rename(byPosition(call))
	}
	body, err := json.Marshal(batch)
	return calls, body, err == nil
}

func rename(call json.RawMessage) json.RawMessage {
	if !bytes.Contains(call, []byte(discoverName)) {
		return call
	}
	var members map[string]json.RawMessage
	var method string
	if json.Unmarshal(call, &members) != nil || json.Unmarshal(members["method"], &method) != nil || method != discoverName {
		return call
	}
	members["method"] = json.RawMessage(`"` + discoverMethod + `"`)
	renamed, err := json.Marshal(members)
	if err != nil {
		return call
	}
	return renamed
}

// errorMessage is a JSON-RPC answer to a request that no call was read from.
func errorMessage(e *rpcError) []byte {
	type inner struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}
	out, err := json.Marshal(struct {
		Version string `json:"jsonrpc"`
		ID      any    `json:"id"`
		Error   inner  `json:"error"`
	}{"2.0", nil, inner{e.code, e.msg, e.ErrorData()}})
	if err != nil {
		panic(err) // plain texts and numbers
	}
	return out
}

func writeError(w http.ResponseWriter, code int, e *rpcError) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(errorMessage(e)) // the client is gone: nobody reads it
}
