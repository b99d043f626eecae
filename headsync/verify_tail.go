package headsync

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
)

// ErrRolledBack: gwat was rolled back below the checkpoint under a push.
var ErrRolledBack = failure.WithKind(failure.Abort, errors.New("gwat was rolled back below the checkpoint, not by syncd"))

// RolledBackError is ErrRolledBack with the place.
type RolledBackError struct {
	// Below is a slot at or before which gwat's order was not touched.
	Below primitives.Slot
	// Number is the first finalized number that changed.
	Number uint64
}

func (u *RolledBackError) Error() string {
	return fmt.Sprintf("%v: block %d is another one than before the push", ErrRolledBack, u.Number)
}

// Unwrap gives ErrRolledBack.
func (u *RolledBackError) Unwrap() error { return ErrRolledBack }

// pastBlocks is how many finalized blocks up to a checkpoint are compared. What was
// rolled back further is in another order up to the checkpoint, so the last of it
// tells; more would cost much beside small batches.
const pastBlocks = 128

// past is what gwat had finalized up to a checkpoint, before a push.
type past struct {
	slot   primitives.Slot // of the checkpoint
	first  uint64          // number of blocks[0]
	blocks []*gwatclient.Block
}

// readPast reads the last pastBlocks finalized blocks up to a number.
func readPast(ctx context.Context, gwat Gwat, upTo uint64) (past, error) {
	n := min(upTo, pastBlocks) // genesis does not change
	p := past{first: upTo - n + 1}
	blocks, err := inBatches(ctx, int(n), func(ctx context.Context, from, to int) ([]*gwatclient.Block, error) {
		return gwat.BlocksByNumber(ctx, p.first+uint64(from), p.first+uint64(to)-1)
	})
	if err != nil {
		return p, fmt.Errorf("read gwat's finalized blocks %d to %d: %w", p.first, upTo, err)
	}
	p.blocks = blocks
	return p, nil
}

// captureTail reads what lies up to the checkpoint before a push. Its spine must be
// there: it was proved or confirmed, or gwat has accepted it.
func (a *Attempt) captureTail(ctx context.Context) (past, error) {
	back := a.pos.RolledBack()
	before, err := readPast(ctx, a.Gwat, back.Number)
	before.slot = back.Last.Slot()
	if err != nil || len(before.blocks) == 0 {
		return before, err
	}
	if last := before.blocks[len(before.blocks)-1]; last == nil || last.Hash != back.Spine {
		return before, before.rolledBack(a.Spec, len(before.blocks)-1, last)
	}
	return before, nil
}

// verifyTail compares it after the push. Between a ready and its push another driver
// may roll gwat back further: the push is then taken, and gwat finalizes what it
// had lost by itself, in an order of its own.
func (a *Attempt) verifyTail(ctx context.Context, before past) error {
	if len(before.blocks) == 0 {
		return nil
	}
	after, err := readPast(ctx, a.Gwat, before.first+uint64(len(before.blocks))-1)
	if err != nil {
		return err
	}
	for i, b := range before.blocks {
		if hashOf(b) != hashOf(after.blocks[i]) {
			return before.rolledBack(a.Spec, i, after.blocks[i])
		}
	}
	return nil
}

// rolledBack tells of the i-th block. The change may begin below what was compared, so
// the slot is two epochs lower.
func (p past) rolledBack(spec checkpoint.Spec, i int, now *gwatclient.Block) error {
	below := p.slot
	for _, b := range []*gwatclient.Block{p.blocks[i], now} {
		if b != nil {
			below = min(below, b.Slot)
		}
	}
	return &RolledBackError{Below: below - min(below, 2*primitives.Slot(spec.SlotsPerEpoch)), Number: p.first + uint64(i)}
}

func hashOf(b *gwatclient.Block) common.Hash {
	if b == nil {
		return common.Hash{}
	}
	return b.Hash
}
