package headsync

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// Errors about gwat's position.
var (
	// ErrSpineMissing: gwat lacks the block of a spine, so its DAG sync is not done.
	ErrSpineMissing = failure.WithKind(failure.RetryLater, errors.New("gwat lacks the block of a spine"))
	// ErrNoAnchor: no block of the chain has spines that gwat has finalized.
	ErrNoAnchor = failure.WithKind(failure.RetryLater, errors.New("gwat has finalized no spine of the beacon's chain"))
)

// MissingSpine is ErrSpineMissing with the spine.
type MissingSpine struct{ Spine common.Hash }

func (m *MissingSpine) Error() string { return fmt.Sprintf("%v: %s", ErrSpineMissing, m.Spine) }

// Unwrap returns ErrSpineMissing.
func (m *MissingSpine) Unwrap() error { return ErrSpineMissing }

// Position is how far gwat was proved or confirmed to have the beacon's chain.
type Position struct {
	// Checkpoint is the newest entry that a ready can name. Rest are the proven entries
	// after it: a push begins with them, because the ready rolls back those that name
	// spines, and what is pushed must follow the checkpoint (S2).
	Checkpoint Entry
	At         uint64 // number of the checkpoint's last spine; 0 for genesis
	Rest       []Entry
	// Last is the newest entry that is proven, with spines or without.
	Last Entry
	// Number and Spine are those of gwat's newest proven spine; the zero hash is gwat's
	// genesis.
	Number uint64
	Spine  common.Hash
}

// usable reports whether a ready can name an entry: gwat has finalized its last spine with a
// number equal to its height. The genesis block needs no spine.
func usable(e Entry, view View) bool {
	spine, has := e.Info.LastSpine()
	if !has {
		return e.Slot() == 0
	}
	b := view.ByHash[spine]
	return b != nil && b.IsSpine()
}

// Anchor returns the newest of entries at or before a slot that a ready can name, where a
// proof begins; false if there is none. A refusal does not move it back, because all that lies
// beyond it would be rolled back (S4).
func Anchor(entries []Entry, upTo primitives.Slot, view View) (Position, bool) {
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		if e.Slot() > upTo || !usable(e, view) {
			continue
		}
		p := Position{Checkpoint: e, Last: e}
		if spine, has := e.Info.LastSpine(); has {
			p.At, p.Number, p.Spine = *view.ByHash[spine].Number, *view.ByHash[spine].Number, spine
		}
		return p, true
	}
	return Position{}, false
}

// OldestAnchor returns the oldest of entries that a ready can name. Below the last checkpoint
// gwat may have finalized in a wrong order, which the newest one does not show.
func OldestAnchor(entries []Entry, view View) (Position, bool) {
	for i := range entries {
		if p, ok := Anchor(entries[i:i+1], entries[i].Slot(), view); ok {
			return p, true
		}
	}
	return Position{}, false
}

// Advance proves entries, which follow the position. It moves the position over those that
// gwat has exactly as they say, and returns their number. It moves over refused checkpoints
// too, but does not make them the position's checkpoint.
func (p *Position) Advance(entries []Entry, view View, refused map[common.Hash]bool) int {
	n := Proven(p.Number, p.Spine, entries, view)
	p.over(entries[:n], view, refused)
	return n
}

// Confirm moves the position over those of the pushed entries that gwat has applied, and
// returns their number.
func (p *Position) Confirm(entries []Entry, view View) int {
	n := Applied(p.Number, p.Spine, entries, view)
	p.over(entries[:n], view, nil)
	return n
}

func (p *Position) over(entries []Entry, view View, refused map[common.Hash]bool) {
	for _, e := range entries {
		p.Last = e
		spine, has := e.Info.LastSpine()
		if has {
			p.Number, p.Spine = *view.ByHash[spine].Number, spine
		}
		switch {
		case has && !refused[e.Root]:
			p.Checkpoint, p.At, p.Rest = e, p.Number, nil
		default:
			p.Rest = append(p.Rest, e)
		}
	}
}

// RolledBack returns the position after a ready at its checkpoint.
func (p *Position) RolledBack() Position {
	back := Position{Checkpoint: p.Checkpoint, At: p.At, Last: p.Checkpoint, Number: p.At}
	back.Spine, _ = p.Checkpoint.Info.LastSpine()
	return back
}

// Info returns what a ready names: the checkpoint's entry, or genesis. Only the former has a
// root.
func (p *Position) Info() (checkpoint.ConsensusInfo, common.Hash) {
	if _, has := p.Checkpoint.Info.LastSpine(); has {
		return p.Checkpoint.Info, p.Checkpoint.Root
	}
	return checkpoint.Genesis(), common.Hash{}
}

// firstMissing returns the index of the first entry that names a spine whose block gwat
// lacks; len(entries) if gwat has all.
func firstMissing(entries []Entry, view View) (int, common.Hash) {
	for i, e := range entries {
		for _, s := range e.Info.Finalizing {
			if view.ByHash[s] == nil {
				return i, s
			}
		}
	}
	return len(entries), common.Hash{}
}
