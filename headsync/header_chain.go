package headsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/beaconclient"
)

// maxWindow bounds the headers that are asked by slot ahead of the walk.
const maxWindow = 1024

// spareRoom is set aside for the heads that follow while a push runs.
const spareRoom = 1024

// maxRoom bounds what a head that a beacon node states can make us set aside.
const maxRoom = 1 << 18

// keptBelow is how many refs below the slot asked for are kept for later calls.
const keptBelow = 4096

// BlockRef names a canonical beacon block.
type BlockRef struct {
	Root common.Hash
	Slot primitives.Slot
}

// HeaderChain is the canonical chain up to a head as names only, so that a long one
// costs 40 bytes a slot. Refs rise in slot; each is the parent of the next one,
// and Parent is the parent of the first.
type HeaderChain struct {
	Parent common.Hash
	Refs   []BlockRef
}

// Tip is the head the chain leads to.
func (h HeaderChain) Tip() BlockRef { return h.Refs[len(h.Refs)-1] }

// From is the index of the first block at or after a slot.
func (h HeaderChain) From(slot primitives.Slot) int {
	return sort.Search(len(h.Refs), func(i int) bool { return h.Refs[i].Slot >= slot })
}

// Has tells whether a block is on the chain.
func (h HeaderChain) Has(slot primitives.Slot, root common.Hash) bool {
	i := h.From(slot)
	return i < len(h.Refs) && h.Refs[i] == BlockRef{Root: root, Slot: slot}
}

func (h HeaderChain) parentOf(i int) common.Hash {
	if i == 0 {
		return h.Parent
	}
	return h.Refs[i-1].Root
}

// Canonical is how many of entries, from the first on, are on the chain. They
// are linked, so one that is on it has all before it on it too.
func (h HeaderChain) Canonical(entries []Entry) int {
	for i := len(entries); i > 0; i-- {
		if h.Has(entries[i-1].Slot(), entries[i-1].Root) {
			return i
		}
	}
	return 0
}

// Chain gives the chain from the first block at or after slot from up to head.
// Only what is new since the last call is read. Errors: ErrReorg if a block is no
// longer to be had, ErrInconsistent, and the client's.
func (c *Collector) Chain(ctx context.Context, head beaconclient.Header, from primitives.Slot) (HeaderChain, error) {
	known, begins := c.chain, c.chainFrom
	if begins <= from && len(known.Refs) > 0 && known.Tip().Root == head.Root {
		return known.since(from), nil
	}
	newer := make([]BlockRef, 1, 1+c.room(head.Slot, from, known))
	newer[0] = BlockRef{head.Root, head.Slot}
	parent := head.ParentRoot
	w := walk{c: c, from: from, window: 1}
	if len(known.Refs) == 0 {
		w.window = maxWindow // all of it is new
	}
	linked := false
	for slot := head.Slot; slot > from; {
		if i, ok := known.endsAt(parent, slot); ok {
			if begins <= from {
				return c.join(known, i+1, newer).since(from), nil
			}
			linked = true
			for ; i >= 0; i-- { // what is known begins too late: go on below it
				newer = append(newer, known.Refs[i])
			}
			parent, slot, known = known.Parent, known.Refs[0].Slot, HeaderChain{}
			continue
		}
		h, err := w.header(ctx, parent, slot, known.below(slot))
		if err != nil {
			return HeaderChain{}, err
		}
		if h.Slot >= slot {
			return HeaderChain{}, fmt.Errorf("%w: the parent %s of the block at slot %d says slot %d", ErrInconsistent, h.Root, slot, h.Slot)
		}
		if h.Slot < from {
			break
		}
		newer = append(newer, BlockRef{h.Root, h.Slot})
		parent, slot = h.ParentRoot, h.Slot
	}
	slices.Reverse(newer)
	if !linked && len(c.chain.Refs) > 0 {
		c.forgetCommittees() // it may be the chain of another network
	}
	c.chain, c.chainFrom = HeaderChain{Parent: parent, Refs: newer}, from
	return c.chain, nil
}

// room is how many blocks the walk may find at the most, bounded, and some that
// will follow: a long chain that grew by doubling would leave as much behind.
func (c *Collector) room(head, from primitives.Slot, known HeaderChain) int {
	low := max(from, known.below(head))
	if head <= low {
		return 0
	}
	return int(min(head-low, maxRoom)) + spareRoom
}

// join appends what was walked, newest first, to the first n refs of the known
// chain. A chain that somebody reads is never written to.
func (c *Collector) join(known HeaderChain, n int, newer []BlockRef) HeaderChain {
	slices.Reverse(newer)
	refs := known.Refs
	if n < len(refs) {
		refs = slices.Clip(refs[:n])
		c.forgetCreators() // the branch may have other committees
	}
	c.chain = HeaderChain{Parent: known.Parent, Refs: append(refs, newer...)}
	return c.chain
}

// since is the part of a chain from a slot on.
func (h HeaderChain) since(slot primitives.Slot) HeaderChain {
	i := h.From(slot)
	return HeaderChain{Parent: h.parentOf(i), Refs: h.Refs[i:]}
}

// Forget drops what is kept of slots long before one: no attempt begins there again.
func (c *Collector) Forget(before primitives.Slot) {
	if i := c.chain.From(before); i > keptBelow {
		kept := c.chain.since(before)
		c.chain, c.chainFrom = HeaderChain{Parent: kept.Parent, Refs: slices.Clone(kept.Refs)}, before
	}
}

// Reset drops the chain: an answer in it was wrong, or is no longer right.
func (c *Collector) Reset() {
	c.chain, c.chainFrom = HeaderChain{}, 0
	c.forgetCommittees()
}

// endsAt finds the ref with a root among those below a slot: if it is on the
// chain it is the last of them.
func (h HeaderChain) endsAt(root common.Hash, slot primitives.Slot) (int, bool) {
	i := h.From(slot) - 1
	return i, i >= 0 && h.Refs[i].Root == root
}

// below is the slot of the newest ref below a slot: the walk can end there.
func (h HeaderChain) below(slot primitives.Slot) primitives.Slot {
	if i := h.From(slot) - 1; i >= 0 {
		return h.Refs[i].Slot
	}
	return 0
}

// walk reads headers: by slot ahead as guesses, by root where they do not fit.
type walk struct {
	c      *Collector
	from   primitives.Slot
	window primitives.Slot
	ahead  map[common.Hash]beaconclient.Header
}

// header finds the header of a root below a slot. Each miss widens what is read
// ahead, down to the slot where the walk can end.
func (w *walk) header(ctx context.Context, root common.Hash, slot, end primitives.Slot) (beaconclient.Header, error) {
	if h, ok := w.ahead[root]; ok {
		return h, nil
	}
	low := max(w.from, end)
	if slot > low+w.window {
		low = slot - w.window
	}
	if low+1 < slot {
		if err := w.readAhead(ctx, low, slot); err != nil {
			return beaconclient.Header{}, err
		}
	}
	w.window = min(max(w.window*8, 16), maxWindow)
	if h, ok := w.ahead[root]; ok {
		return h, nil
	}
	h, err := w.c.beacon.Header(ctx, beaconclient.AtRoot(root))
	switch {
	case errors.Is(err, beaconclient.ErrNotFound):
		return h, fmt.Errorf("%w: the parent %s of the block at slot %d is gone", ErrReorg, root, slot)
	case err != nil:
		return h, fmt.Errorf("read header %s: %w", root, err)
	case h.Root != root:
		return h, fmt.Errorf("%w: asked for header %s, got %s", ErrInconsistent, root, h.Root)
	}
	return h, nil
}

// readAhead asks for the headers of slots [low, high). What it finds is a guess:
// only the walk along parent roots decides what is canonical.
func (w *walk) readAhead(ctx context.Context, low, high primitives.Slot) error {
	found := make([]*beaconclient.Header, high-low)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(Concurrency)
	for slot := low; slot < high; slot++ {
		g.Go(func() error {
			h, err := w.c.beacon.Header(ctx, beaconclient.AtSlot(slot))
			if errors.Is(err, beaconclient.ErrNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read header at slot %d: %w", slot, err)
			}
			found[slot-low] = &h
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	w.ahead = make(map[common.Hash]beaconclient.Header, len(found))
	for _, h := range found {
		if h != nil {
			w.ahead[h.Root] = *h
		}
	}
	return nil
}
