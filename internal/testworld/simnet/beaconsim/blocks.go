package beaconsim

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

const (
	altairEpoch = 1 // ALTAIR_FORK_EPOCH

	noBlock  = "%s: rpc error: code = NotFound desc = Could not find requested block: signed beacon block can't be nil"
	badBlock = "%s: rpc error: code = InvalidArgument desc = Invalid block ID: could not parse block ID: %v"
	tooNewV1 = "Could not get signed beacon block: could not get raw block: unsupported phase0 block"
)

// snapshot is the chain as one request sees it.
type snapshot struct {
	*Node
	head *world.BeaconBlock
}

func (n *Node) snapshot() snapshot {
	n.mu.Lock()
	defer n.mu.Unlock()
	return snapshot{Node: n, head: n.head}
}

// block finds a block by id: head, genesis, finalized, a slot, or the root of
// a block that the node has, canonical or not. nil means there is none.
func (s snapshot) block(id string) (*world.BeaconBlock, error) {
	switch id {
	case "head":
		return s.head, nil
	case "genesis":
		return s.chain.HeadAt(0), nil
	case "finalized":
		return s.known(s.chain.Finality(s.head).Finalized.Root), nil
	}
	if digits, ok := strings.CutPrefix(id, "0x"); ok {
		if raw, err := hex.DecodeString(digits); err == nil && len(raw) == common.HashLength {
			return s.known(common.Hash(raw)), nil
		}
	}
	slot, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return nil, err
	}
	if block, ok := s.chain.Ancestor(s.head, primitives.Slot(slot)); ok {
		return block, nil
	}
	return nil, nil
}

// known is a block of the slots that the node has seen.
func (s snapshot) known(root common.Hash) *world.BeaconBlock {
	if block, ok := s.chain.Block(root); ok && block.Slot <= s.head.Slot {
		return block
	}
	return nil
}

func (s snapshot) canonical(block *world.BeaconBlock) bool {
	same, ok := s.chain.Ancestor(s.head, block.Slot)
	return ok && same.Root == block.Root
}

// requested answers the request itself if its block is not available.
func (s snapshot) requested(w http.ResponseWriter, r *http.Request, method string) (*world.BeaconBlock, bool) {
	block, err := s.block(r.PathValue("id"))
	switch {
	case err != nil:
		fail(w, http.StatusInternalServerError, fmt.Sprintf(badBlock, method, err))
		return nil, false
	case block == nil:
		fail(w, http.StatusInternalServerError, fmt.Sprintf(noBlock, method))
		return nil, false
	}
	return block, true
}

func (n *Node) phase0(block *world.BeaconBlock) bool { return n.spec.Epoch(block.Slot) < altairEpoch }

func (n *Node) serveBlockV1(w http.ResponseWriter, r *http.Request) {
	block, ok := n.snapshot().requested(w, r, "GetBlock")
	switch {
	case !ok:
	case !n.phase0(block):
		fail(w, http.StatusInternalServerError, tooNewV1)
	default:
		answer(w, n.signedBlock(block))
	}
}

func (n *Node) serveBlockV2(w http.ResponseWriter, r *http.Request) {
	block, ok := n.snapshot().requested(w, r, "GetBlockV2")
	if !ok {
		return
	}
	version := "altair"
	if n.phase0(block) {
		version = "phase0"
	}
	send(w, http.StatusOK, struct {
		Version string `json:"version"`
		Data    object `json:"data"`
	}{version, n.signedBlock(block)})
}

func (n *Node) signedBlock(block *world.BeaconBlock) object {
	eth1 := object{
		"deposit_root":  common.Hash{},
		"deposit_count": "0",
		"block_hash":    block.Eth1Hash,
		"candidates":    join(block.Candidates),
		"finalization":  join(block.Finalization),
	}
	none := []any{}
	body := object{
		"randao_reveal": filler(block, randao, signatureSize), "eth1_data": eth1, "graffiti": common.Hash{},
		"proposer_slashings": none, "attester_slashings": none, "attestations": none, "deposits": none, "voluntary_exits": none,
	}
	if !n.phase0(block) {
		body["sync_aggregate"] = object{
			"sync_committee_bits":      "0x" + strings.Repeat("ff", 64),
			"sync_committee_signature": filler(block, syncVotes, signatureSize),
		}
	}
	return object{"signature": filler(block, signature, signatureSize), "message": object{
		"slot":           decimal(uint64(block.Slot)),
		"proposer_index": decimal(block.Proposer),
		"parent_root":    block.ParentRoot,
		"state_root":     block.StateRoot,
		"body":           body,
	}}
}

func (n *Node) serveBlockRoot(w http.ResponseWriter, r *http.Request) {
	if block, ok := n.snapshot().requested(w, r, "GetBlockRoot"); ok {
		answerOptimistic(w, object{"root": block.Root})
	}
}

func (n *Node) serveHeader(w http.ResponseWriter, r *http.Request) {
	s := n.snapshot()
	if block, ok := s.requested(w, r, "GetBlockHeader"); ok {
		answerOptimistic(w, s.header(block))
	}
}

// serveHeaders lists the head, or what ?slot= and ?parent_root= ask for.
func (n *Node) serveHeaders(w http.ResponseWriter, r *http.Request) {
	s := n.snapshot()
	blocks := []*world.BeaconBlock{s.head}
	query := r.URL.Query()
	if query.Has("slot") {
		slot, err := strconv.ParseUint(query.Get("slot"), 10, 64)
		if err != nil {
			fail(w, http.StatusBadRequest, "Invalid slot: "+err.Error())
			return
		}
		blocks = s.atSlot(primitives.Slot(slot))
	} else if parent := common.HexToHash(query.Get("parent_root")); query.Has("parent_root") {
		blocks = s.children(parent)
	}
	if len(blocks) == 0 {
		fail(w, http.StatusNotFound, "No blocks found")
		return
	}
	out := make([]object, len(blocks))
	for i, block := range blocks {
		out[i] = s.header(block)
	}
	answerOptimistic(w, out)
}

// atSlot are the blocks of a slot that the node has: the canonical one, and
// one that was head in its time and lost.
func (s snapshot) atSlot(slot primitives.Slot) []*world.BeaconBlock {
	if slot > s.head.Slot {
		return nil
	}
	var out []*world.BeaconBlock
	if block, ok := s.chain.Ancestor(s.head, slot); ok {
		out = append(out, block)
	}
	if was := s.chain.HeadAt(slot); was.Slot == slot && (len(out) == 0 || out[0].Root != was.Root) {
		out = append(out, was)
	}
	return out
}

func (s snapshot) children(parent common.Hash) []*world.BeaconBlock {
	block := s.known(parent)
	if block == nil {
		return nil
	}
	// An empty stretch longer than an epoch is not looked through.
	for slot := block.Slot + 1; slot <= block.Slot+primitives.Slot(s.spec.SlotsPerEpoch); slot++ {
		var out []*world.BeaconBlock
		for _, candidate := range s.atSlot(slot) {
			if candidate.ParentRoot == parent {
				out = append(out, candidate)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

func (s snapshot) header(block *world.BeaconBlock) object {
	return object{"root": block.Root, "canonical": s.canonical(block), "header": object{
		"signature": filler(block, signature, signatureSize),
		"message": object{
			"slot":           decimal(uint64(block.Slot)),
			"proposer_index": decimal(block.Proposer),
			"parent_root":    block.ParentRoot,
			"state_root":     block.StateRoot,
			"body_root":      filler(block, bodyRoot, common.HashLength),
		},
	}}
}
