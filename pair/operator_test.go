package pair

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/pair/orders"
	"github.com/gwatsync/syncd/status"
)

func TestResyncGoesThroughAllStages(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		d := b.start(nil)
		d.reaches(fsm.Working)
		pushes := b.calls("dag_headSync")

		require.NoError(t, d.Resync(t.Context(), status.Resync{Reason: "a new disk", Force: true}))
		seen := d.reaches(fsm.Working)
		require.Equal(t, []fsm.Stage{fsm.Connecting, fsm.CheckpointSync, fsm.DAGSync, fsm.HeadSyncReady}, seen[:4])
		require.Equal(t, pushes, b.calls("dag_headSync"), "gwat has all: nothing is pushed")
		history, err := d.History(t.Context(), 100)
		require.NoError(t, err)
		var reason string
		for _, c := range history {
			if c.Event == string(fsm.ResyncAsked) {
				reason = c.Reason
			}
		}
		require.Equal(t, "asked by the operator: a new disk", reason)
	})
}

// The full push begins at the last checkpoint although gwat has what follows it,
// and is ordered once (S4).
func TestFullResyncPushesFromTheCheckpoint(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		d := b.start(nil)
		d.reaches(fsm.Working)
		pushes := b.calls("dag_headSync")

		require.NoError(t, d.Resync(t.Context(), status.Resync{Full: true, Force: true}))
		seen := d.reaches(fsm.Working)
		require.Contains(t, seen, fsm.HeadSync)
		require.Greater(t, b.calls("dag_headSync"), pushes)
		s := d.Snapshot()
		require.Equal(t, "done", s.Push.Phase)
		require.LessOrEqual(t, s.Push.From, s.Checkpoint.Slot+1, "from the checkpoint on, whatever gwat has")
		pushes = b.calls("dag_headSync")

		require.NoError(t, d.Resync(t.Context(), status.Resync{Force: true}))
		require.NotContains(t, d.reaches(fsm.Working), fsm.HeadSync)
		require.Equal(t, pushes, b.calls("dag_headSync"), "the order was for one push")
		requireCanonicalOrder(t, b)
	})
}

// The configured push from the checkpoint is made once, as the ordered one is.
func TestTheConfiguredPushFromTheCheckpointIsMadeOnce(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		d := b.start(func(c *Config) { c.PushFromCheckpoint = true })
		require.Contains(t, d.reaches(fsm.Working), fsm.HeadSync, "gwat has all, and is pushed to all the same")
		pushes := b.calls("dag_headSync")
		require.NoError(t, d.Resync(t.Context(), status.Resync{Force: true}))
		require.NotContains(t, d.reaches(fsm.Working), fsm.HeadSync)
		require.Equal(t, pushes, b.calls("dag_headSync"))
	})
}

// An observer forgets a competing driver after three quiet slots, as a driver does.
func TestAnObserverForgetsACompetingDriver(t *testing.T) {
	t.Parallel()
	inFakeTime(t, fakeConfig{pair: func(c *Config) { c.Observe = true }}, func(f *fake) {
		f.reaches(fsm.Working)
		rolledBack(20)(f)
		f.within(2*fakeSlot, "the sign", func(s *status.Snapshot) bool { return s.CompetingDriver != nil })
		f.within(10*fakeSlot, "its end", func(s *status.Snapshot) bool { return s.CompetingDriver == nil && told(s, "second_driver") == nil })
	})
}

// In a pair at work the order needs to be forced: it risks the beacon node's head.
func TestResyncOfAWorkingPairNeedsForce(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		d := b.start(nil)
		require.NoError(t, d.Resync(t.Context(), status.Resync{}), "nothing is at risk before it works")
		d.reaches(fsm.Working)
		for _, full := range []bool{false, true} {
			err := d.Resync(t.Context(), status.Resync{Full: full})
			require.ErrorIs(t, err, ErrWorks)
			require.ErrorContains(t, err, "until it is restarted; use --force")
			require.Equal(t, string(fsm.Working), d.Snapshot().Stage)
		}
		require.NoError(t, d.Resync(t.Context(), status.Resync{Force: true}))
		require.Contains(t, d.reaches(fsm.Working), fsm.Connecting)
	})
}

// A pause holds over a restart, with its reason; so does its end.
func TestAPauseOutlastsARestart(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		first := b.start(nil)
		first.reaches(fsm.Working)
		require.NoError(t, first.Pause(t.Context(), "a new disk"))
		first.stop()
		second := b.start(nil)
		second.reaches(fsm.Paused)
		require.Equal(t, "asked by the operator: a new disk", second.Snapshot().Reason)
		require.NoError(t, second.Resume(t.Context()))
		second.stop()
		require.NotContains(t, b.start(nil).reaches(fsm.Working), fsm.Paused)
	})
}

func TestResyncIsRefusedWhilePausedAndByAnObserver(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		d := b.start(func(c *Config) { c.Observe = true })
		require.ErrorIs(t, d.Resync(t.Context(), status.Resync{Full: true, Force: true}), ErrObserveOnly)
		require.ErrorIs(t, ErrObserveOnly, failure.NeedsHuman)
		require.NoError(t, d.Pause(t.Context(), ""))
		require.ErrorIs(t, d.Resync(t.Context(), status.Resync{Force: true}), ErrPaused)
		require.NoError(t, d.Resume(t.Context()))
		require.NoError(t, d.Resync(t.Context(), status.Resync{Force: true}))
		d.stop()
		require.ErrorIs(t, d.Resync(context.Background(), status.Resync{Force: true}), orders.ErrStopped)
	})
}

func TestUpdatesGiveTheNewest(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		d := b.start(nil)
		updates, cancel := d.Updates()
		slow, cancelSlow := d.Updates()
		defer cancelSlow()
		var last *status.Snapshot
		for last == nil || last.Stage != string(fsm.Working) {
			next := <-updates
			if last != nil {
				require.Greater(t, next.Seq, last.Seq)
			}
			last = next
		}
		require.GreaterOrEqual(t, (<-slow).Seq+1, last.Seq, "what was not read is the newest (or being replaced by it), not the oldest")
		cancel()
		cancel()
		_, open := <-updates
		for open { // one may have come before the cancel
			_, open = <-updates
		}
		d.stop()
		for range slow { // closed with the loop
		}
		after, cancelAfter := d.Updates()
		_, open = <-after
		require.False(t, open)
		cancelAfter()
	})
}
