package coordinated

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// ServeHTTP serves the part of the REST API that programs beside the pair use.
func (b *Beacon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head, initial, peers := b.Standing()
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case path == "/eth/v1/node/syncing":
		reply(w, map[string]any{"head_slot": decimal(head), "sync_distance": decimal(b.net.Slot() - min(head, b.net.Slot())), "is_syncing": initial})
	case path == "/eth/v1/node/version":
		reply(w, map[string]string{"version": "Prysm/simulated"})
	case path == "/eth/v1/node/health":
		w.WriteHeader(http.StatusOK)
	case path == "/eth/v1/node/peer_count":
		reply(w, map[string]string{"connected": decimal(uint64(peers)), "connecting": "0", "disconnected": "0", "disconnecting": "0"})
	case path == "/eth/v1/config/spec":
		reply(w, map[string]string{
			"SLOTS_PER_EPOCH": decimal(b.net.SlotsPerEpoch), "SECONDS_PER_SLOT": decimal(b.net.SecondsPerSlot),
			"DEPOSIT_CHAIN_ID": decimal(b.net.ChainID), "ALL_SPINES_LIMIT": "128", "GWAT_SYNC_INTERVAL": "1000", "CONFIG_NAME": "simulated",
		})
	case path == "/eth/v1/beacon/genesis":
		reply(w, map[string]string{"genesis_time": decimal(b.net.GenesisTime)})
	case path == "/eth/v1/events":
		b.events(w, r)
	case strings.HasPrefix(path, "/eth/v1/beacon/headers/"):
		b.header(w, strings.TrimPrefix(path, "/eth/v1/beacon/headers/"))
	case strings.HasPrefix(path, "/eth/v1/beacon/states/"):
		id, part, _ := strings.Cut(strings.TrimPrefix(path, "/eth/v1/beacon/states/"), "/")
		b.state(w, id, part)
	default:
		http.NotFound(w, r)
	}
}

// slotOf resolves an id of a block or state; false for one that the node does not have.
func (b *Beacon) slotOf(id string) (uint64, bool) {
	head, _, _ := b.Standing()
	state := b.net.State(head)
	switch id {
	case "head":
		return head, true
	case "genesis":
		return 0, true
	case "justified":
		return state.JustifiedAt, true
	case "finalized":
		return state.FinalizedAt, true
	}
	if strings.HasPrefix(id, "0x") {
		slot, known := b.net.SlotOfRoot(common.HexToHash(id))
		return slot, known && slot <= head
	}
	slot, err := strconv.ParseUint(id, 10, 64)
	return slot, err == nil && slot <= head
}

func (b *Beacon) header(w http.ResponseWriter, id string) {
	slot, known := b.slotOf(id)
	if !known {
		notFound(w, "Could not get block from block ID: rpc error: code = NotFound desc = Could not find requested block")
		return
	}
	reply(w, map[string]any{
		"root": b.net.Root(slot), "canonical": true,
		"header": map[string]any{"message": map[string]any{
			"slot": decimal(slot), "proposer_index": "0", "parent_root": b.net.Root(slot - min(slot, 1)), "state_root": zeroHash, "body_root": zeroHash,
		}},
	})
}

func (b *Beacon) state(w http.ResponseWriter, id, part string) {
	slot, known := b.slotOf(id)
	if !known {
		notFound(w, "State not found")
		return
	}
	s := b.net.State(slot)
	switch part {
	case "finality_checkpoints":
		point := func(epoch, at uint64) map[string]any {
			root := b.net.Root(at)
			if epoch == 0 {
				root = zeroHash
			}
			return map[string]any{"epoch": decimal(epoch), "root": root}
		}
		reply(w, map[string]any{
			"previous_justified": point(s.Finalized, s.FinalizedAt), "current_justified": point(s.Justified, s.JustifiedAt), "finalized": point(s.Finalized, s.FinalizedAt),
		})
	case "spine_data":
		reply(w, map[string]any{"spines": "", "prefix": "", "cp_finalized": row(s.CPFinalized), "finalization": row(s.Finalization), "parent_spines": []any{}})
	case "validators":
		reply(w, b.validators())
	default:
		notFound(w, "no such part of a state")
	}
}

// validators are two of them, one of which leaves if SetExit says so.
func (b *Beacon) validators() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	exit := uint64(math.MaxUint64)
	if b.exit != nil {
		exit = *b.exit
	}
	one := func(index string, exit uint64) any {
		return map[string]any{"index": index, "validator": map[string]any{
			"activation_epoch": "0", "exit_epoch": decimal(exit), "withdrawal_ops": []any{},
		}}
	}
	return []any{one("0", math.MaxUint64), one("1", exit)}
}

// events streams the head events.
func (b *Beacon) events(w http.ResponseWriter, r *http.Request) {
	heads := make(chan uint64, 16)
	b.change(func() { b.follower[heads] = struct{}{} })
	defer b.change(func() { delete(b.follower, heads) })
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	for {
		_ = flush.Flush()
		select {
		case <-r.Context().Done():
			return
		case head := <-heads:
			fmt.Fprintf(w, "event: head\ndata: {\"slot\":\"%d\",\"block\":\"%s\",\"state\":\"%s\",\"epoch_transition\":false}\n\n", head, b.net.Root(head), zeroHash)
		}
	}
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// row writes hashes as the REST API does: 0x and all of them, or nothing.
func row(hashes []common.Hash) string {
	if len(hashes) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString("0x")
	for _, h := range hashes {
		out.WriteString(h.Hex()[2:])
	}
	return out.String()
}

func reply(w http.ResponseWriter, data any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}

func notFound(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(map[string]any{"message": message, "code": http.StatusNotFound})
}
