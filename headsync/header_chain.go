package headsync

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
)

const (
	// keptEvery: the middle of a long chain keeps one block of so many.
	keptEvery = 64
	// nearBlocks at the begin of a chain are all kept: a push comes to them first.
	nearBlocks = 1 << 14
	// tipBlocks at its end are all kept: there the chain changes.
	tipBlocks = 1024
	// thinSlack is how many more are kept before a chain is thinned.
	thinSlack = 4096
	// keptBelow is how many blocks below the slot asked for are kept for later calls.
	keptBelow = 4096
)

// BlockRef names a canonical beacon block.
type BlockRef struct {
	Root common.Hash
	Slot primitives.Slot
}

// chainRef is a block that a chain keeps; the indices of a chain rise by one a block.
type chainRef struct {
	BlockRef
	index int
}

// HeaderChain is the canonical chain from a slot up to a head, as slots and roots only. A long
// chain keeps its begin, its end, and one block in keptEvery between them, so that its size is
// bounded: an EntryStream reads the headers between two kept blocks once more.
type HeaderChain struct {
	from   primitives.Slot // the chain begins with the first block at or after it
	parent common.Hash     // of the first block kept; zero if that one lies below from, or is genesis
	refs   []chainRef      // by slot; it may begin below from
}

// Tip is the head that the chain leads to.
func (h HeaderChain) Tip() BlockRef { return h.refs[len(h.refs)-1].BlockRef }

// Len is how many blocks the chain has, at most keptEvery too few.
func (h HeaderChain) Len() int { return h.Count(h.from) }

// Count is how many blocks the chain has at or after a slot, at most keptEvery too few.
func (h HeaderChain) Count(slot primitives.Slot) int {
	i := h.find(max(slot, h.from))
	if i == len(h.refs) {
		return 0
	}
	return h.refs[len(h.refs)-1].index - h.refs[i].index + 1
}

// find is the place of the first block kept at or after a slot.
func (h HeaderChain) find(slot primitives.Slot) int {
	return sort.Search(len(h.refs), func(i int) bool { return h.refs[i].Slot >= slot })
}

// Has reports whether a block is on the chain and kept.
func (h HeaderChain) Has(ref BlockRef) bool {
	i := h.find(ref.Slot)
	return i < len(h.refs) && h.refs[i].BlockRef == ref
}

// Canonical returns how many of entries, from the first on, are on the chain. The entries are
// linked, and are those of the chain old. So if one of them is on the chain, or not above a
// block that both chains have, all before it are on the chain too.
func (h HeaderChain) Canonical(entries []Entry, old HeaderChain) int {
	shared := -1
	for i := len(old.refs) - 1; i >= 0 && shared < 0; i-- {
		if h.Has(old.refs[i].BlockRef) {
			shared = i
		}
	}
	for i := len(entries); i > 0; i-- {
		e := entries[i-1]
		if h.Has(BlockRef{e.Root, e.Slot()}) || shared >= 0 && e.Slot() <= old.refs[shared].Slot {
			return i
		}
	}
	return 0
}

// Chain returns the chain from the first block at or after slot from up to head.
// Only what is new since the last call is read. Errors: ErrReorg if a block is
// gone, ErrInconsistent, and the client's.
func (c *Collector) Chain(ctx context.Context, head beaconclient.Header, from primitives.Slot) (HeaderChain, error) {
	known, begins := c.chain, c.chain.from
	if begins <= from && len(known.refs) > 0 && known.Tip().Root == head.Root {
		return known.since(from), nil
	}
	newer := descent{}
	newer.add(BlockRef{head.Root, head.Slot})
	parent := head.ParentRoot
	w := walk{c: c, from: from, window: 1, atOnce: Concurrency}
	if len(known.refs) == 0 {
		w.window = maxWindow // all of it is new
	}
	linked := false
	for slot := head.Slot; slot > from; {
		if i, ok := known.endsAt(parent, slot); ok {
			if begins <= from {
				return c.join(known, i+1, newer).since(from), nil
			}
			linked = true
			newer.addChain(known.refs[:i+1]) // what is known begins too late: go on below it
			first := known.refs[0]
			parent, slot, known = known.parent, first.Slot, HeaderChain{}
			if parent == (common.Hash{}) {
				h, err := w.header(ctx, first.Root, slot+1, slot)
				if err != nil {
					return HeaderChain{}, err
				}
				parent = h.ParentRoot
			}
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
		newer.add(BlockRef{h.Root, h.Slot})
		parent, slot = h.ParentRoot, h.Slot
	}
	if !linked && len(c.chain.refs) > 0 {
		c.forgetCommittees() // it may be the chain of another network
	}
	c.chain = HeaderChain{from: from, parent: parent, refs: newer.ascending()}
	return c.chain, nil
}

// join appends what was walked to the first n kept blocks of the known chain. It copies: the
// known chain may be read concurrently.
func (c *Collector) join(known HeaderChain, n int, newer descent) HeaderChain {
	refs := known.refs
	if n < len(refs) {
		refs = slices.Clip(refs[:n])
		c.forgetCreators() // the branch may have other committees
	}
	last := refs[n-1].index
	added := newer.ascending()
	for i := range added {
		added[i].index += last + 1 - newer.oldest()
	}
	c.chain = HeaderChain{from: known.from, parent: known.parent, refs: append(refs, added...)}
	c.chain.thin()
	return c.chain
}

// thin leaves out of a long chain what it need not keep.
func (h *HeaderChain) thin() {
	first, last := h.refs[0].index, h.refs[len(h.refs)-1].index
	if len(h.refs) > nearBlocks+tipBlocks+(last-first)/keptEvery+2*thinSlack {
		h.refs = thinned(slices.Clone(h.refs), func(index int) bool {
			return index-first < nearBlocks || last-index < tipBlocks
		})
	}
}

// thinned keeps, in place, the blocks for which all is true and one in keptEvery of the rest.
// The indices may rise or fall.
func thinned(refs []chainRef, all func(index int) bool) []chainRef {
	out := refs[:1]
	for i := 1; i < len(refs); i++ {
		gap := 0
		if i+1 < len(refs) {
			gap = max(refs[i+1].index-out[len(out)-1].index, out[len(out)-1].index-refs[i+1].index)
		}
		if i+1 == len(refs) || gap > keptEvery || all(refs[i].index) {
			out = append(out, refs[i])
		}
	}
	return out
}

// since is the same chain from a later slot on.
func (h HeaderChain) since(slot primitives.Slot) HeaderChain {
	h.from = slot
	return h
}

// Forget drops what is kept of slots long before a slot: no attempt begins there again.
func (c *Collector) Forget(before primitives.Slot) {
	h := c.chain
	i := h.find(before)
	if i <= keptBelow || i == len(h.refs) {
		return
	}
	parent := h.refs[i-1].Root
	if h.refs[i].index-h.refs[i-1].index > 1 { // what lies between them may be asked for
		i, parent = i-1, common.Hash{}
	}
	c.chain = HeaderChain{from: before, parent: parent, refs: slices.Clone(h.refs[i:])}
}

// Reset drops the chain: an answer in it was wrong, or no longer holds.
func (c *Collector) Reset() {
	c.chain = HeaderChain{}
	c.forgetCommittees()
}

// endsAt finds the block with a root below a slot: if the chain keeps that block, it is the
// last one kept below the slot.
func (h HeaderChain) endsAt(root common.Hash, slot primitives.Slot) (int, bool) {
	i := h.find(slot) - 1
	return i, i >= 0 && h.refs[i].Root == root
}

// below is the slot of the newest block kept below a slot: the walk can end there.
func (h HeaderChain) below(slot primitives.Slot) primitives.Slot {
	if i := h.find(slot) - 1; i >= 0 {
		return h.refs[i].Slot
	}
	return 0
}

// named is a block of a chain and its parent.
type named struct {
	BlockRef
	parent common.Hash
}

// names sends the blocks of a chain at or after a slot, in order. It reads again those that
// the chain does not keep.
func (c *Collector) names(ctx context.Context, h HeaderChain, from primitives.Slot, out chan<- named) error {
	from = max(from, h.from)
	send := func(n named) bool {
		if n.Slot < from {
			return true
		}
		select {
		case out <- n:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for i := h.find(from); i < len(h.refs); i++ {
		parent := h.parent
		if i > 0 {
			parent = h.refs[i-1].Root
		}
		between := []named{{h.refs[i].BlockRef, parent}}
		if i > 0 && h.refs[i].index-h.refs[i-1].index > 1 {
			var err error
			if between, err = c.between(ctx, h.refs[i-1], h.refs[i]); err != nil {
				return err
			}
		}
		for _, n := range between {
			if !send(n) {
				return ctx.Err()
			}
		}
	}
	return nil
}

// between reads the blocks after low up to high, along the parent roots from high.
func (c *Collector) between(ctx context.Context, low, high chainRef) ([]named, error) {
	w := walk{c: c, from: low.Slot + 1, window: maxWindow, atOnce: Concurrency / 3}
	out := make([]named, 0, high.index-low.index)
	for root, slot := high.Root, high.Slot+1; root != low.Root; {
		if slot <= low.Slot+1 {
			return nil, fmt.Errorf("%w: the block at slot %d is no descendant of block %s at slot %d, as it was before", ErrInconsistent, slot, low.Root, low.Slot)
		}
		h, err := w.header(ctx, root, slot, low.Slot+1)
		if err != nil {
			return nil, err
		}
		if h.Slot >= slot {
			return nil, fmt.Errorf("%w: the parent %s of the block at slot %d says slot %d", ErrInconsistent, h.Root, slot, h.Slot)
		}
		out = append(out, named{BlockRef{h.Root, h.Slot}, h.ParentRoot})
		root, slot = h.ParentRoot, h.Slot
	}
	slices.Reverse(out)
	return out, nil
}
