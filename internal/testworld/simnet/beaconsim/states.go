package beaconsim

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// stateRoots is how many slots back a state is found by its root
// (SLOTS_PER_HISTORICAL_ROOT); the head's own is not among them, as recorded.
const stateRoots = 8192

// state is a beacon state: that after a block, brought forward to a slot.
type state struct {
	block *world.BeaconBlock
	slot  primitives.Slot
}

// state finds a state by id: head, genesis, justified, finalized, a slot or a
// state root; it answers the request itself if there is none.
func (s snapshot) state(w http.ResponseWriter, r *http.Request) (state, bool) {
	id := r.PathValue("id")
	finality := s.chain.Finality(s.head)
	of := func(block *world.BeaconBlock) (state, bool) { return state{block, block.Slot}, true }
	switch id {
	case "head":
		return of(s.head)
	case "genesis":
		return of(s.chain.HeadAt(0))
	case "justified":
		return of(s.checkpoint(finality.CurrentJustified))
	case "finalized":
		return of(s.checkpoint(finality.Finalized))
	}
	if digits, ok := strings.CutPrefix(id, "0x"); ok {
		raw, err := hex.DecodeString(digits)
		if err == nil && len(raw) == common.HashLength {
			if block := s.byStateRoot(common.Hash(raw)); block != nil {
				return of(block)
			}
			fail(w, http.StatusNotFound, fmt.Sprintf("State not found: state not found in the last %d state roots", stateRoots))
			return state{}, false
		}
	}
	slot, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Sprintf("Invalid state ID: could not parse state ID: %v", err))
		return state{}, false
	}
	if primitives.Slot(slot) > s.wall() || primitives.Slot(slot) > s.head.Slot+primitives.Slot(s.spec.SlotsPerEpoch) {
		fail(w, http.StatusNotFound, "State not found: slot cannot be in the future")
		return state{}, false
	}
	return state{world.AtOrBefore(s.chain, s.head, primitives.Slot(slot)), primitives.Slot(slot)}, true
}

func (s snapshot) checkpoint(c checkpoint.Checkpoint) *world.BeaconBlock {
	if block, ok := s.chain.Block(c.Root); ok {
		return block
	}
	return s.chain.HeadAt(0)
}

func (s snapshot) byStateRoot(root common.Hash) *world.BeaconBlock {
	block := s.head
	for block.Slot > 0 && s.head.Slot-block.Slot < stateRoots {
		parent, ok := s.chain.Block(block.ParentRoot)
		if !ok {
			return nil
		}
		if block = parent; block.StateRoot == root {
			return block
		}
	}
	return nil
}

// finality of a state that was brought forward over the start of an epoch is
// that of the next block of the same epoch, if there is one.
func (s snapshot) finality(st state) world.Finality {
	end := s.spec.StartSlot(s.spec.Epoch(st.slot) + 1)
	if s.spec.Epoch(st.block.Slot) != s.spec.Epoch(st.slot) {
		for slot := st.slot; slot < end && slot <= s.head.Slot; slot++ {
			if block, ok := s.chain.Ancestor(s.head, slot); ok {
				return s.chain.Finality(block)
			}
		}
	}
	return s.chain.Finality(st.block)
}

func (n *Node) serveFinality(w http.ResponseWriter, r *http.Request) {
	s := n.snapshot()
	st, ok := s.state(w, r)
	if !ok {
		return
	}
	point := func(c checkpoint.Checkpoint) object {
		return object{"epoch": decimal(uint64(c.Epoch)), "root": c.Root}
	}
	f := s.finality(st)
	answerOptimistic(w, object{
		"previous_justified": point(f.PreviousJustified),
		"current_justified":  point(f.CurrentJustified),
		"finalized":          point(f.Finalized),
	})
}

// serveCommittees answers ?epoch= (the state's own if absent), ?slot=, ?index=.
func (n *Node) serveCommittees(w http.ResponseWriter, r *http.Request) {
	st, ok := n.snapshot().state(w, r)
	if !ok {
		return
	}
	bad := ""
	filter := func(name string, value uint64) uint64 {
		if text := r.URL.Query().Get(name); text != "" {
			number, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				bad = fmt.Sprintf("Invalid %s: %v", name, err)
			}
			return number
		}
		return value
	}
	const all = ^uint64(0)
	slot, index := filter("slot", all), filter("index", all)
	own := n.spec.Epoch(st.slot)
	epoch := primitives.Epoch(filter("epoch", uint64(own)))
	switch {
	case bad != "":
		fail(w, http.StatusBadRequest, bad)
		return
	case epoch > own+1:
		fail(w, http.StatusBadRequest, fmt.Sprintf("Could not get committees: epoch %d is too far from the state's epoch %d", epoch, own))
		return
	case slot != all && n.spec.Epoch(primitives.Slot(slot)) != epoch:
		fail(w, http.StatusBadRequest, fmt.Sprintf("Slot %d does not belong in epoch %d", slot, epoch))
		return
	}
	out := []object{}
	for _, c := range n.chain.Committees(epoch) {
		if (slot != all && uint64(c.Slot) != slot) || (index != all && c.Index != index) {
			continue
		}
		members := make([]string, len(c.Validators))
		for i, v := range c.Validators {
			members[i] = decimal(v)
		}
		out = append(out, object{"index": decimal(c.Index), "slot": decimal(uint64(c.Slot)), "validators": members})
	}
	answerOptimistic(w, out)
}

// serveValidators answers all, or those of ?id= (indices or public keys,
// repeated or with commas); unknown ones are left out.
func (n *Node) serveValidators(w http.ResponseWriter, r *http.Request) {
	if _, ok := n.snapshot().state(w, r); !ok {
		return
	}
	validators := n.chain.Validators()
	var indices []uint64
	if ids := strings.Join(r.URL.Query()["id"], ","); ids != "" {
		for _, id := range strings.Split(ids, ",") {
			index, err := validatorIndex(validators, id)
			if err != nil {
				fail(w, http.StatusBadRequest, fmt.Sprintf("Invalid validator ID: %v", err))
				return
			}
			if index < uint64(len(validators)) {
				indices = append(indices, index)
			}
		}
	} else {
		for i := range validators {
			indices = append(indices, uint64(i))
		}
	}
	out := []object{}
	for _, index := range indices {
		out = append(out, validator(index, validators[index]))
	}
	answerOptimistic(w, out)
}

// validatorIndex is past the end for a key that nobody has.
func validatorIndex(validators []world.Validator, id string) (uint64, error) {
	digits, isKey := strings.CutPrefix(id, "0x")
	if !isKey {
		return strconv.ParseUint(id, 10, 64)
	}
	for i, v := range validators {
		if hex.EncodeToString(v.Pubkey) == strings.ToLower(digits) {
			return uint64(i), nil
		}
	}
	return uint64(len(validators)), nil
}

func validator(index uint64, v world.Validator) object {
	const balance, never = "32000000000", "18446744073709551615"
	return object{"index": decimal(index), "balance": balance, "status": "active_ongoing", "validator": object{
		"pubkey":                       "0x" + hex.EncodeToString(v.Pubkey),
		"withdrawal_credentials":       v.WithdrawalCredentials,
		"effective_balance":            balance,
		"slashed":                      false,
		"activation_eligibility_epoch": "0",
		"activation_epoch":             "0",
		"exit_epoch":                   never,
		"withdrawable_epoch":           never,
	}}
}

func (n *Node) serveStateRoot(w http.ResponseWriter, r *http.Request) {
	s := n.snapshot()
	id := r.PathValue("id")
	finality := n.chain.Finality(s.head)
	if (id == "justified" && finality.CurrentJustified.IsGenesis()) || (id == "finalized" && finality.Finalized.IsGenesis()) {
		fail(w, http.StatusInternalServerError, "Could not get state root: signed beacon block can't be nil")
		return
	}
	if st, ok := s.state(w, r); ok {
		answerOptimistic(w, object{"root": st.block.StateRoot})
	}
}
