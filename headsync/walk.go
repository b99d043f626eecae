package headsync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/beaconclient"
)

// maxWindow bounds the headers that are asked by slot ahead of the walk.
const maxWindow = 1024

// walk reads headers: by slot ahead as guesses, by root where they do not fit.
type walk struct {
	c      *Collector
	from   primitives.Slot
	window primitives.Slot
	atOnce int // headers in flight
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
	g.SetLimit(w.atOnce)
	for slot := low; slot < high; slot++ {
		g.Go(func() error {
			h, err := w.c.beacon.Header(ctx, beaconclient.AtSlot(slot))
			// A slot whose only block was orphaned by a kill answers as a node that starts, for good.
			if errors.Is(err, beaconclient.ErrNotFound) || errors.Is(err, beaconclient.ErrStarting) {
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

// descent is a chain as a walk finds it, newest block first; its indices fall from 0. It
// keeps the end, and, as the walk may end anywhere, what it found last.
type descent struct {
	refs []chainRef
	next int // index of the next block, the negative of how many there are
	from int // place from which on all blocks are kept
}

func (d *descent) add(b BlockRef) {
	d.refs = append(d.refs, chainRef{b, d.next})
	d.next--
	d.thin()
}

// addChain adds what a chain keeps, whose newest block comes next.
func (d *descent) addChain(refs []chainRef) {
	shift := d.next - refs[len(refs)-1].index
	for _, r := range slices.Backward(refs) {
		d.refs = append(d.refs, chainRef{r.BlockRef, r.index + shift})
	}
	d.next = refs[0].index + shift - 1
	d.thin()
}

func (d *descent) thin() {
	end := len(d.refs) - nearBlocks
	if end-d.from < thinSlack {
		return
	}
	kept := thinned(d.refs[max(d.from-1, 0):end], func(index int) bool { return -index < tipBlocks })
	far := max(d.from-1, 0) + len(kept)
	d.refs = append(d.refs[:far], d.refs[end:]...)
	d.from = far
}

// oldest is the index of the oldest block.
func (d *descent) oldest() int { return d.next + 1 }

// ascending returns the blocks oldest first, with room for some that follow.
func (d *descent) ascending() []chainRef {
	out := make([]chainRef, 0, len(d.refs)+tipBlocks)
	for _, r := range slices.Backward(d.refs) {
		out = append(out, r)
	}
	return out
}
