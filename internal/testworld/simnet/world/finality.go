package world

import (
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// finality are the checkpoints in the state after n: in epoch e the epoch
// before it is justified, and the one before that final, unless justification
// stalled; epochs 0 and 1 never are.
func (b *beacon) finality(n *node) Finality {
	spec := b.cfg.spec()
	epoch := spec.Epoch(n.block.Slot)
	at := func(e primitives.Epoch) checkpoint.Checkpoint {
		if e == 0 {
			return checkpoint.Checkpoint{}
		}
		return checkpoint.Checkpoint{Epoch: e, Root: b.atOrBefore(n, spec.StartSlot(e)).block.Root}
	}
	f := Finality{CurrentJustified: at(b.justified(epoch)), Finalized: at(b.finalized(epoch))}
	if epoch > 0 {
		f.PreviousJustified = at(b.justified(epoch - 1))
	}
	return f
}

// justified is the newest justified epoch in a state of epoch; 0 if there is none.
func (b *beacon) justified(epoch primitives.Epoch) primitives.Epoch {
	for e := epoch; e > firstJustified; e-- {
		if !b.stalled(e - 1) {
			return e - 1
		}
	}
	return 0
}

// finalized is the newest epoch that was justified right before the next one was.
func (b *beacon) finalized(epoch primitives.Epoch) primitives.Epoch {
	for e := epoch; e > firstJustified+1; e-- {
		if !b.stalled(e-1) && !b.stalled(e-2) {
			return e - 2
		}
	}
	return 0
}

func (b *beacon) stalled(epoch primitives.Epoch) bool {
	for _, r := range b.cfg.StallJustification {
		if r.From <= epoch && epoch <= r.To {
			return true
		}
	}
	return false
}
