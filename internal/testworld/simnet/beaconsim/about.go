package beaconsim

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/checkpoint"
)

// recordedSpec holds every key of the recorded /eth/v1/config/spec.
//
//go:embed spec.json
var recordedSpec []byte

// Fork versions, as recorded.
const (
	phase0Version    = "0x00002009"
	altairVersion    = "0x01002009"
	bellatrixVersion = "0x02002009"
	farFuture        = "18446744073709551615"
)

// serveSpec answers the recorded keys with the numbers of the chain.
func (n *Node) serveSpec(w http.ResponseWriter, _ *http.Request) {
	var spec map[string]string
	if err := json.Unmarshal(recordedSpec, &spec); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	spec["CONFIG_NAME"] = n.spec.ConfigName
	for key, value := range map[string]uint64{
		"SLOTS_PER_EPOCH":    n.spec.SlotsPerEpoch,
		"SECONDS_PER_SLOT":   n.spec.SecondsPerSlot,
		"CREATORS_PER_SLOT":  n.spec.CreatorsPerSlot,
		"DEPOSIT_CHAIN_ID":   n.spec.DepositChainID,
		"DEPOSIT_NETWORK_ID": n.spec.DepositChainID,
	} {
		spec[key] = decimal(value)
	}
	answer(w, spec)
}

func (n *Node) serveForkSchedule(w http.ResponseWriter, _ *http.Request) {
	answer(w, []object{
		fork(phase0Version, phase0Version, "0"),
		fork(phase0Version, altairVersion, decimal(altairEpoch)),
		fork(altairVersion, bellatrixVersion, farFuture),
	})
}

func fork(previous, current, epoch string) object {
	return object{"previous_version": previous, "current_version": current, "epoch": epoch}
}

func (n *Node) serveFork(w http.ResponseWriter, r *http.Request) {
	st, ok := n.snapshot().state(w, r)
	switch {
	case !ok:
	case n.spec.Epoch(st.slot) < altairEpoch:
		answerOptimistic(w, fork(phase0Version, phase0Version, "0"))
	default:
		answerOptimistic(w, fork(phase0Version, altairVersion, decimal(altairEpoch)))
	}
}

func (n *Node) serveDepositContract(w http.ResponseWriter, _ *http.Request) {
	answer(w, object{
		"chain_id": decimal(n.spec.DepositChainID),
		"address":  "0x282630916603531E25a075A4fe21c2B612a50105",
	})
}

func (n *Node) serveGenesis(w http.ResponseWriter, _ *http.Request) {
	keys := sha256.New()
	for _, v := range n.chain.Validators() {
		keys.Write(v.Pubkey)
	}
	answer(w, object{
		"genesis_time":            decimal(n.spec.GenesisTime),
		"genesis_validators_root": common.Hash(keys.Sum(nil)),
		"genesis_fork_version":    phase0Version,
	})
}

// serveSyncing: with a built-in driver the node says that it is syncing until that is done.
func (n *Node) serveSyncing(w http.ResponseWriter, _ *http.Request) {
	state := n.State()
	answer(w, object{
		"head_slot":     decimal(uint64(state.Head.Slot)),
		"sync_distance": decimal(checkpoint.Lag(state.Head.Slot, state.Wall)),
		"is_syncing":    !state.Synced || state.Driving,
	})
}

func (n *Node) serveVersion(w http.ResponseWriter, _ *http.Request) {
	answer(w, object{"version": n.cfg.Version})
}

// serveHealth is 200 even while the node syncs, as recorded.
func (n *Node) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
}

func peerID(index uint64) string {
	id := sha256.Sum256(fmt.Appendf(nil, "peer %d", index))
	return "16Uiu2HAm" + hex.EncodeToString(id[:22])
}

func (n *Node) serveIdentity(w http.ResponseWriter, _ *http.Request) {
	id := peerID(0)
	answer(w, object{
		"peer_id":             id,
		"enr":                 "enr:-" + id,
		"p2p_addresses":       []string{"/ip4/127.0.0.1/tcp/13000/p2p/" + id},
		"discovery_addresses": []string{"/ip4/127.0.0.1/udp/12000/p2p/" + id},
		"metadata":            object{"seq_number": "1", "attnets": "0xffffffffffffffff"},
	})
}

func (n *Node) peerCount() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.peers
}

func (n *Node) servePeers(w http.ResponseWriter, _ *http.Request) {
	out := []object{}
	for i := range n.peerCount() {
		out = append(out, object{
			"peer_id":               peerID(i + 1),
			"enr":                   "enr:-" + peerID(i+1),
			"last_seen_p2p_address": "/ip4/127.0.0.1/tcp/13000/p2p/" + peerID(i+1),
			"state":                 "connected",
			"direction":             "outbound",
		})
	}
	answer(w, out)
}

func (n *Node) servePeerCount(w http.ResponseWriter, _ *http.Request) {
	answer(w, object{
		"disconnected": "0", "connecting": "0", "connected": decimal(n.peerCount()), "disconnecting": "0",
	})
}
