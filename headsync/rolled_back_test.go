package headsync_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/protocol"
)

// rollback is a competing driver that rolls gwat back right before the first push.
type rollback struct {
	headsync.Driver
	r    *rig
	by   uint64 // numbers
	done bool
}

func (d *rollback) Push(ctx context.Context, infos []checkpoint.ConsensusInfo) (*protocol.Mark, error) {
	if !d.done {
		d.done = true
		if err := d.r.node.RollbackTo(uint64(len(d.r.node.FinalizedOrder())-1) - d.by); err != nil {
			return nil, err
		}
	}
	return d.Driver.Push(ctx, infos)
}

// A competing driver rolls gwat back between ready and push, and gwat finalizes what it
// lost in an order of its own: that is not stored as confirmed, and the attempts
// that follow put it right, below the last checkpoint too.
func TestPushOntoWhatWasRolledBack(t *testing.T) {
	for name, full := range map[string]bool{"from the last proven entry": false, "the full push": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onRig(t, func(t *testing.T) {
				wrong := 0
				for seed := uint64(1); seed < 4; seed++ {
					r := newRig(t, func(c *world.Config) { c.ForkRate, c.MissRate, c.Seed = 0, 0, seed }, gwatsim.Config{StartSlot: 40})
					a := r.attempt()
					a.PushFromCheckpoint, a.Driver = full, &rollback{Driver: r.driver(), r: r, by: 20}
					result, err := r.run(a)
					if err == nil { // the order of what was lost is one that gwat finds by itself
						r.requireCanonical(result.Head.Slot)
						continue
					}
					wrong++
					var rolledBack *headsync.RolledBackError
					require.ErrorAs(t, err, &rolledBack, "seed %d", seed)
					require.ErrorIs(t, err, headsync.ErrRolledBack)
					require.Nil(t, result.Confirmed)
					require.NotEqual(t, -1, r.wrongNumber(result.Head.Slot), "it is in disorder")
					a = r.attempt()
					a.Below = &rolledBack.Below
					result, err = r.run(a)
					require.NoError(t, err)
					r.requireCanonical(result.Head.Slot)
				}
				require.Positive(t, wrong, "no seed put gwat in disorder")
			})
		})
	}
}

// What was proved is gone when the push is due: gwat is not asked at all.
func TestNothingIsPushedOntoAnotherCheckpoint(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { c.MissRate, c.QuietRate = 0, 0 }, gwatsim.Config{StartSlot: 95})
		a := r.attempt()
		a.Inhibit = func() string {
			if r.calls("dag_headSyncReady") == 0 {
				require.NoError(t, r.node.RollbackTo(uint64(len(r.node.FinalizedOrder()))-21))
			}
			return ""
		}
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrRolledBack)
		require.Equal(t, failure.Abort, failure.Kind(err))
		require.Zero(t, r.calls("dag_headSyncReady"))
		require.Zero(t, r.calls("dag_headSync"))
	})
}
