package coordinated

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

const maxRequest = 5 << 20

type rpcRequest struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

var errCrashed = &rpcError{-32000, "method handler crashed"}

// ServeHTTP serves the JSON-RPC of gwat: the calls of its IPC socket.
func (g *Gwat) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.serveHTTP(w, r, g.Serves) }

// serveHTTP serves the methods that serves names; nil is all.
func (g *Gwat) serveHTTP(w http.ResponseWriter, r *http.Request, serves func(method string) bool) {
	var raw json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&raw); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := g.answer(raw, serves)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

// answer answers a message: one request or a batch.
func (g *Gwat) answer(raw json.RawMessage, serves func(method string) bool) ([]byte, error) {
	var batch []rpcRequest
	if json.Unmarshal(raw, &batch) == nil {
		answers := make([]json.RawMessage, len(batch))
		for i, request := range batch {
			answers[i] = g.serve(request, serves)
		}
		return json.Marshal(answers)
	}
	var request rpcRequest
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, err
	}
	return g.serve(request, serves), nil
}

func (g *Gwat) serve(r rpcRequest, serves func(method string) bool) json.RawMessage {
	var result any
	failed := notServed(r.Method)
	if serves == nil || serves(r.Method) {
		result, failed = g.call(r)
	}
	answer := map[string]any{"jsonrpc": "2.0", "id": r.ID}
	if failed != nil {
		answer["error"] = failed
	} else {
		answer["result"] = result
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return json.RawMessage(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}`)
	}
	return raw
}

// call answers one request.
func (g *Gwat) call(r rpcRequest) (any, *rpcError) {
	switch r.Method {
	case "dag_coordinatedState":
		return g.State(), nil
	case "dag_finalize":
		return g.serveFinalize(r.Params)
	case "dag_validateSpines":
		return true, nil
	case "dag_validateFinalization":
		return g.validateFinalization(r.Params)
	case "dag_syncSlotInfo":
		return true, nil
	case "eth_syncing":
		if !g.Syncing() {
			return false, nil
		}
		zero := hexutil.Uint64(0)
		return map[string]any{
			"startingBlock": zero, "currentBlock": zero, "highestBlock": zero, "pulledStates": zero, "knownStates": zero,
			"finalizedSlot": zero, "maxDagSlot": zero, "currentSlot": hexutil.Uint64(g.net.Slot()),
		}, nil
	case "wat_info":
		return g.watInfo()
	case "eth_chainId":
		return hexutil.Uint64(g.net.ChainID), nil
	case "web3_clientVersion":
		return "gwat/v0.7-simulated", nil
	case "net_peerCount":
		return hexutil.Uint64(len(g.Peers())), nil
	case "admin_peers":
		peers := []map[string]string{}
		for _, enode := range g.Peers() {
			peers = append(peers, map[string]string{"enode": enode})
		}
		return peers, nil
	case "admin_addPeer":
		var enode string
		if len(r.Params) != 1 || json.Unmarshal(r.Params[0], &enode) != nil {
			return nil, &rpcError{-32602, "missing value for required argument 0"}
		}
		g.AddPeer(enode)
		return true, nil
	case "eth_getBlockByNumber", "eth_getBlockByHash":
		return g.block(r)
	}
	return nil, notServed(r.Method)
}

func notServed(method string) *rpcError {
	return &rpcError{-32601, fmt.Sprintf("the method %s does not exist/is not available", method)}
}

func (g *Gwat) serveFinalize(params []json.RawMessage) (any, *rpcError) {
	if len(params) == 0 || string(params[0]) == "null" {
		return nil, errCrashed
	}
	var f Finalize
	if err := json.Unmarshal(params[0], &f); err != nil {
		return nil, &rpcError{-32602, "invalid argument 0: " + err.Error()}
	}
	if f.Checkpoint != nil && f.BaseSpine == nil {
		return nil, errCrashed
	}
	return g.Finalize(f), nil
}

func (g *Gwat) validateFinalization(params []json.RawMessage) (any, *rpcError) {
	var spines []common.Hash
	if len(params) != 1 || json.Unmarshal(params[0], &spines) != nil {
		return nil, &rpcError{-32602, "missing value for required argument 0"}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range spines {
		if slot, known := g.net.SlotOfSpine(s); !known || slot > g.local {
			return nil, &rpcError{-32000, "spine not found: " + s.Hex()}
		}
	}
	return true, nil
}

func (g *Gwat) watInfo() (any, *rpcError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gossip()
	point, known := g.net.SlotOfSpine(g.point.Spine)
	if !known {
		return nil, errCrashed
	}
	return map[string]uint64{"cpSlot": point, "currSlot": g.net.Slot(), "maxDagSlot": max(g.local, g.final)}, nil
}

func (g *Gwat) block(r rpcRequest) (any, *rpcError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gossip()
	slot := g.final
	if r.Method == "eth_getBlockByHash" {
		var hash common.Hash
		if len(r.Params) == 0 || json.Unmarshal(r.Params[0], &hash) != nil {
			return nil, &rpcError{-32602, "missing value for required argument 0"}
		}
		var known bool
		if slot, known = g.net.SlotOfSpine(hash); !known || slot > max(g.local, g.final) {
			return nil, nil
		}
	}
	parents := []common.Hash{}
	if slot > 0 {
		parents = append(parents, g.net.Spine(slot-1))
	}
	out := map[string]any{
		"hash": g.net.Spine(slot), "slot": hexutil.Uint64(slot), "height": hexutil.Uint64(slot), "parentHashes": parents, "number": nil,
	}
	if slot <= g.final {
		out["number"] = hexutil.Uint64(slot)
	}
	return out, nil
}
