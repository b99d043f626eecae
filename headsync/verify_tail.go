package headsync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
)

// ErrRolledBack: gwat was rolled back below the checkpoint under a push.
var ErrRolledBack = failure.WithKind(failure.Abort, errors.New("gwat was rolled back below the checkpoint, not by syncd"))

// RolledBackError is ErrRolledBack with the place.
type RolledBackError struct {
	// Below is a slot at or before which gwat's order was not touched.
	Below primitives.Slot
	// Number is a finalized number that has another block now.
	Number uint64
}

func (u *RolledBackError) Error() string {
	return fmt.Sprintf("%v: block %d is not the one that it was before", ErrRolledBack, u.Number)
}

// Unwrap returns ErrRolledBack.
func (u *RolledBackError) Unwrap() error { return ErrRolledBack }

const (
	// tailBlocks is how many finalized blocks below a checkpoint are searched for a
	// witness at the most; more would cost much beside small batches.
	tailBlocks = 128
	// tailFirst of them are read first: where blocks cross, a witness is among them.
	tailFirst = 16
	// traceBlocks bounds how far down the begin of a change is looked for.
	traceBlocks = 1024
)

// tail is the evidence that gwat was not rolled back below a checkpoint.
//
// What gwat finalizes in one step, by one spine, follows the order rule from end to end.
// What it finalized spine by spine breaks the rule at some places, where blocks of a later
// spine are older than the spine before. Suppose that gwat loses its blocks from some number
// up to the checkpoint, and finalizes them again by the first spine of a push. If no such
// place was among them, the order is the same as before. Otherwise the two blocks at the
// place nearest to the checkpoint cannot both have their old numbers. If the push has put
// another block among them, the checkpoint's own spine has moved up. So three numbers prove
// as much as all of them.
type tail struct {
	slot   primitives.Slot              // of the checkpoint
	last   uint64                       // number of its spine
	blocks map[uint64]*gwatclient.Block // the witnesses by number; none for gwat's genesis
}

// captureTail reads the witnesses of a position before a ready. The checkpoint's spine must be
// there: it was proved or confirmed, or gwat has accepted it.
func (a *Attempt) captureTail(ctx context.Context, at Position) (tail, error) {
	back := at.RolledBack()
	t := tail{slot: back.Last.Slot(), last: back.Number, blocks: map[uint64]*gwatclient.Block{}}
	if back.Number == 0 { // genesis does not change
		return t, nil
	}
	low := back.Number + 1 // number of the lowest block that was read
	var above *gwatclient.Block
	for _, total := range []uint64{tailFirst, tailBlocks} {
		first := back.Number - min(back.Number, total) + 1
		if first >= low {
			break
		}
		blocks, err := a.Gwat.BlocksByNumber(ctx, first, low-1)
		if err != nil {
			return t, fmt.Errorf("read gwat's finalized blocks %d to %d: %w", first, low-1, err)
		}
		if above == nil {
			top := blocks[len(blocks)-1]
			t.blocks[back.Number] = top
			if hashOf(top) != back.Spine {
				return t, a.rolledBack(ctx, t, back.Number, top)
			}
		}
		for i := len(blocks) - 1; i >= 0; i-- {
			if n := first + uint64(i); above != nil && brokenAt(blocks[i], above) {
				t.blocks[n], t.blocks[n+1] = blocks[i], above
				return t, nil
			}
			above = blocks[i]
		}
		low = first
	}
	t.blocks[low] = above // what comes in from below moves it
	return t, nil
}

// earlyTail is a tail that is read while the first batch is made.
type earlyTail struct {
	root common.Hash // of the checkpoint
	read chan struct{}
	tail tail
	err  error
}

// captureEarly begins to read the witnesses of the position.
func (a *Attempt) captureEarly(ctx context.Context) *earlyTail {
	e := &earlyTail{root: a.pos.Checkpoint.Root, read: make(chan struct{})}
	at := a.pos
	a.reads.Go(func() {
		defer close(e.read)
		e.tail, e.err = a.captureTail(ctx, at)
	})
	return e
}

// tailBefore returns the witnesses of the position before a ready, those read early if
// they are of the same checkpoint and the ready did not have to wait.
func (a *Attempt) tailBefore(ctx context.Context, waited bool) (tail, error) {
	e := a.early
	a.early = nil
	if e == nil || waited || e.root != a.pos.Checkpoint.Root {
		return a.captureTail(ctx, a.pos)
	}
	<-e.read
	return e.tail, e.err
}

// brokenAt reports whether two blocks of neighbouring numbers are not in the order rule.
func brokenAt(lower, upper *gwatclient.Block) bool {
	return lower == nil || upper == nil || !finalizedBefore(lower, upper)
}

// verifyTail compares the witnesses after the push. Between a ready and its push another
// driver may roll gwat back further: the push is then taken, and gwat finalizes what it
// had lost by itself, in an order of its own.
func (a *Attempt) verifyTail(ctx context.Context, before tail) error {
	numbers := slices.Sorted(maps.Keys(before.blocks))
	for len(numbers) > 0 {
		run := 1 // neighbours are read in one call
		for run < len(numbers) && numbers[run] == numbers[0]+uint64(run) {
			run++
		}
		first, last := numbers[0], numbers[run-1]
		after, err := a.Gwat.BlocksByNumber(ctx, first, last)
		if err != nil {
			return fmt.Errorf("read gwat's finalized blocks %d to %d: %w", first, last, err)
		}
		for i, b := range after {
			if n := first + uint64(i); hashOf(b) != hashOf(before.blocks[n]) {
				return a.rolledBack(ctx, before, n, b)
			}
		}
		numbers = numbers[run:]
	}
	return nil
}

// rolledBack reports that the block of a number is now another one, and where the change
// may have begun: what gwat finalized in one step is in the order rule.
func (a *Attempt) rolledBack(ctx context.Context, before tail, number uint64, now *gwatclient.Block) error {
	below := before.slot
	for _, b := range []*gwatclient.Block{before.blocks[number], now} {
		if b != nil {
			below = min(below, b.Slot)
		}
	}
	first := before.last - min(before.last, traceBlocks) + 1
	blocks, err := a.readNumbers(ctx, first, before.last)
	if err != nil {
		return err
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		b := blocks[i]
		if b == nil {
			continue // gwat has not finalized as far again
		}
		below = min(below, b.Slot)
		if n := first + uint64(i); n < number && i+1 < len(blocks) && blocks[i+1] != nil && brokenAt(b, blocks[i+1]) {
			break
		}
	}
	return &RolledBackError{Below: below - min(below, 2*primitives.Slot(a.Spec.SlotsPerEpoch)), Number: number}
}

func (a *Attempt) readNumbers(ctx context.Context, first, last uint64) ([]*gwatclient.Block, error) {
	blocks, err := inBatches(ctx, int(last-first+1), func(ctx context.Context, from, to int) ([]*gwatclient.Block, error) {
		return a.Gwat.BlocksByNumber(ctx, first+uint64(from), first+uint64(to)-1)
	})
	if err != nil {
		return nil, fmt.Errorf("read gwat's finalized blocks %d to %d: %w", first, last, err)
	}
	return blocks, nil
}

func hashOf(b *gwatclient.Block) common.Hash {
	if b == nil {
		return common.Hash{}
	}
	return b.Hash
}
