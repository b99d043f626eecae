package beaconsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// routes are the endpoints as recorded; any other path is a plain 404.
func (n *Node) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range map[string]http.HandlerFunc{
		"/eth/v1/beacon/blocks/{id}":      n.serveBlockV1,
		"/eth/v2/beacon/blocks/{id}":      n.serveBlockV2,
		"/eth/v1/beacon/blocks/{id}/root": n.serveBlockRoot,
		"/eth/v1/beacon/headers":          n.serveHeaders,
		"/eth/v1/beacon/headers/{id}":     n.serveHeader,
		"/eth/v1/beacon/genesis":          n.serveGenesis,

		"/eth/v1/beacon/states/{id}/finality_checkpoints": n.serveFinality,
		"/eth/v1/beacon/states/{id}/committees":           n.serveCommittees,
		"/eth/v1/beacon/states/{id}/validators":           n.serveValidators,
		"/eth/v1/beacon/states/{id}/root":                 n.serveStateRoot,
		"/eth/v1/beacon/states/{id}/fork":                 n.serveFork,

		"/eth/v1/config/spec":             n.serveSpec,
		"/eth/v1/config/fork_schedule":    n.serveForkSchedule,
		"/eth/v1/config/deposit_contract": n.serveDepositContract,

		"/eth/v1/node/syncing":    n.serveSyncing,
		"/eth/v1/node/version":    n.serveVersion,
		"/eth/v1/node/identity":   n.serveIdentity,
		"/eth/v1/node/peers":      n.servePeers,
		"/eth/v1/node/peer_count": n.servePeerCount,
		"/eth/v1/node/health":     n.serveHealth,

		"/eth/v1/events": n.serveEvents,
	} {
		mux.HandleFunc("GET "+pattern, handler)
	}
	return mux
}

type object = map[string]any

// answer sends {"data": …} alone, as the node does for what is no state or block.
func answer(w http.ResponseWriter, data any) { send(w, http.StatusOK, object{"data": data}) }

// answerOptimistic adds execution_optimistic, which the node always says is true.
func answerOptimistic(w http.ResponseWriter, data any) {
	send(w, http.StatusOK, object{"data": data, "execution_optimistic": true})
}

func fail(w http.ResponseWriter, code int, message string) {
	send(w, code, object{"message": message, "code": code})
}

func send(w http.ResponseWriter, status int, content any) {
	body, err := json.Marshal(content)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a reader that is gone is no failure of the node
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// filler gives bytes that nobody checks (signatures, roots of contents that
// the simulation does not have), the same for the same block.
func filler(block *world.BeaconBlock, what string, size int) string {
	out := make([]byte, 0, size+sha256.Size)
	for next := sha256.Sum256(append(block.Root[:], what...)); len(out) < size; next = sha256.Sum256(next[:]) {
		out = append(out, next[:]...)
	}
	if block.Slot == 0 && what == signature {
		return "0x" + hex.EncodeToString(make([]byte, size))
	}
	return "0x" + hex.EncodeToString(out[:size])
}

// What filler fills.
const (
	signature = "signature"
	randao    = "randao"
	bodyRoot  = "body root"
	syncVotes = "sync committee"

	signatureSize = 96
)

// join writes hashes as eth1_data does: in a row; "" for none.
func join(list []common.Hash) string {
	if len(list) == 0 {
		return ""
	}
	out := []byte("0x")
	for _, h := range list {
		out = hex.AppendEncode(out, h[:])
	}
	return string(out)
}
