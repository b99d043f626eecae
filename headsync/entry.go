package headsync

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// Entry is one canonical beacon block and what is pushed about its slot.
type Entry struct {
	Root   common.Hash
	Parent common.Hash
	Info   checkpoint.ConsensusInfo
}

// Slot of the beacon block.
func (e Entry) Slot() primitives.Slot { return e.Info.Slot }

// CheckLinked proves S2 on what is about to be pushed: each entry is the parent
// of the next one and slots rise.
func CheckLinked(entries []Entry) error {
	for i := 1; i < len(entries); i++ {
		prev, cur := entries[i-1], entries[i]
		if cur.Parent != prev.Root || cur.Slot() <= prev.Slot() {
			return fmt.Errorf("the block at slot %d (parent %s) does not follow the block at slot %d (root %s)",
				cur.Slot(), cur.Parent, prev.Slot(), prev.Root)
		}
	}
	return nil
}

// Infos returns the wire entries in order.
func Infos(entries []Entry) []checkpoint.ConsensusInfo {
	out := make([]checkpoint.ConsensusInfo, len(entries))
	for i, e := range entries {
		out[i] = e.Info
	}
	return out
}

// Spines lists every spine the entries name once, in order.
func Spines(entries []Entry) []common.Hash {
	var out []common.Hash
	seen := map[common.Hash]bool{}
	for _, e := range entries {
		for _, s := range e.Info.Finalizing {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}
