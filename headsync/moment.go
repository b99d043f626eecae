package headsync

import (
	"context"
	"fmt"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// A beacon node in normal work calls dag_finalize while it processes a block. If that
// call meets gwat's head-sync lock, the beacon node marks the block bad, and its head does not
// move until it is restarted. So a ready is sent right after the block of a slot was processed,
// if ready and push end before the next block.

const (
	// rollbackEach is how long gwat is assumed to take to roll one block back; busy nodes
	// took 16 to 58 ms, idle ones under 1 ms.
	rollbackEach = 20 * time.Millisecond
	// entryEach is how long gwat is assumed to take for an entry before one was measured.
	entryEach = time.Millisecond
	// readsASlot is how often in a slot the head is read while its block is awaited.
	readsASlot = 16
	// batchesASlot bounds a batch to a part of a slot.
	batchesASlot = 4
)

// awaitMoment waits until a ready and its push meet no block of a beacon node in normal work,
// and reports whether it had to wait. It does not wait for a beacon node whose head has not
// moved for QuietSlots slots: that one processes no blocks.
func (a *Attempt) awaitMoment(ctx context.Context, entries int) (waited bool, err error) {
	if !a.BeaconWorks || a.Takeover != nil {
		return false, nil
	}
	needs, err := a.needs(ctx, entries)
	if err != nil {
		return false, err
	}
	slot := a.Spec.SlotDuration()
	if most := slot / 2; needs > most {
		a.note(fmt.Sprintf("gwat needs about %s for the next push, more than fits between two blocks of the beacon node: one of them may meet gwat's lock", needs.Round(time.Millisecond)))
		needs = most
	}
	for {
		head, err := a.head(ctx)
		if err != nil {
			return waited, err
		}
		now := a.Now()
		clock := a.Spec.SlotAt(now)
		left := a.Spec.SlotStart(clock + 1).Sub(now)
		if clock > head.Slot+QuietSlots || head.Slot >= clock && left >= needs {
			return waited, nil
		}
		if why := a.Inhibit(); why != "" {
			return waited, fmt.Errorf("%w: %s", ErrWriteInhibited, why)
		}
		if !waited {
			a.await(clock)
		}
		waited = true
		pause := slot / readsASlot
		if head.Slot >= clock {
			pause = left
		}
		if err := sleep(ctx, pause); err != nil {
			return waited, err
		}
	}
}

// needs estimates how long gwat takes for a ready at the position and a push of so
// many entries.
func (a *Attempt) needs(ctx context.Context, entries int) (time.Duration, error) {
	latest, err := a.Gwat.Latest(ctx)
	if err != nil {
		return 0, fmt.Errorf("read gwat's last finalized block: %w", err)
	}
	each := entryEach
	if a.Throughput.perEntry > 0 {
		each = a.Throughput.perEntry
	}
	out := time.Duration(entries) * each
	if latest.Number != nil && *latest.Number > a.pos.At {
		out += time.Duration(*latest.Number-a.pos.At) * rollbackEach
	}
	return out, nil
}

// await reports what the attempt waits for.
func (a *Attempt) await(clock primitives.Slot) {
	r := a.report(PhaseReady)
	r.Waiting = fmt.Sprintf("a moment after slot %d at which ready and push meet no block of the beacon node, which does its normal work", clock)
	a.Report(r)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
