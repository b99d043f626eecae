package headsync_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// lateHead is a beacon node whose head shows the block of a slot some time after the slot began.
type lateHead struct {
	*watched
	r    *rig
	late time.Duration
}

func (l *lateHead) Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	if id != beaconclient.Head {
		return l.watched.Header(ctx, id)
	}
	head, err := l.watched.Header(ctx, id)
	if seen := l.r.spec.SlotAt(time.Now().Add(-l.late)); err == nil && head.Slot > seen {
		head = headerOf(l.r.chain.HeadAt(seen))
	}
	return head, err
}

// Beside a beacon node in normal work a ready is sent after the block of the slot was
// processed and ends, with its push, before the next one.
func TestAReadyMeetsNoBlock(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { c.MissRate = 0 }, gwatsim.Config{StartSlot: 60, EntryCost: 20 * time.Millisecond, RollbackCost: time.Millisecond})
		a := r.attempt()
		w := r.watch(a)
		const late = 1500 * time.Millisecond
		a.Beacon, a.BeaconWorks = &lateHead{w, r, late}, true
		var waits []string
		a.Report = func(rep headsync.Report) {
			if rep.Waiting != "" {
				waits = append(waits, rep.Waiting)
			}
		}
		require.Less(t, time.Since(r.spec.SlotStart(r.spec.SlotAt(time.Now()))), late, "the block is still to come")
		_, err := r.run(a)
		require.NoError(t, err)
		require.NotEmpty(t, waits)
		readies := 0
		for _, c := range r.node.Calls() {
			if !strings.HasPrefix(c.Method, "dag_headSync") {
				continue
			}
			begin, end := r.spec.SlotAt(c.Begin), r.spec.SlotAt(c.End)
			require.Equal(t, begin, end, "%s from %s to %s", c.Method, c.Begin, c.End)
			require.GreaterOrEqual(t, c.Begin.Sub(r.spec.SlotStart(begin)), late, "before the block was processed")
			readies++
		}
		require.Positive(t, readies)
	})
}

// A beacon node whose head does not move processes no block, and nothing is waited for.
func TestAStandingHeadIsNotWaitedFor(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{StartSlot: 60})
		a := r.attempt()
		w := r.watch(a)
		head := headerOf(r.chain.HeadAt(r.spec.SlotAt(time.Now()) - headsync.QuietSlots - 2))
		w.head, a.BeaconWorks = &head, true
		begin := time.Now()
		_, err := r.run(a)
		require.NoError(t, err)
		require.Less(t, time.Since(begin), time.Second)
		require.Positive(t, r.calls("dag_headSync"))
	})
}

// Whoever may not send does not wait for a moment either.
func TestInhibitedWhileItWaits(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{StartSlot: 60})
		a := r.attempt()
		w := r.watch(a)
		a.Beacon, a.BeaconWorks = &lateHead{w, r, 2 * time.Second}, true
		asked := 0
		a.Inhibit = func() string {
			if asked++; asked > 3 {
				return "paused"
			}
			return ""
		}
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrWriteInhibited)
		require.Zero(t, r.calls("dag_headSyncReady"))
	})
}
