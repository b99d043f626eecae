package pair

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// A syncd that was stopped says nothing of its own until it has looked at the nodes again:
// its snapshot keeps the time from before the stop.
func TestNothingOldIsPublishedAfterAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pair{cfg: Config{Times: Times{CallTimeout: 5 * time.Second, PollInterval: time.Second}}, machine: fsm.New(func(fsm.Change) {})}
		old := func(age time.Duration) bool {
			p.polls = polls{running: true, last: &poll.Observation{Done: time.Now().Add(-age)}}
			return p.overslept()
		}
		require.False(t, p.overslept(), "before the first poll")
		require.False(t, old(time.Minute), "only of a pair that works")
		for _, ev := range []fsm.Event{fsm.NodesReached, fsm.CheckpointReached, fsm.DAGSynced, fsm.ReadyAccepted, fsm.Pushed, fsm.Verified} {
			require.NoError(t, p.machine.Fire(t.Context(), ev, "test"))
		}
		require.False(t, old(7*time.Second), "a poll may take so long")
		require.True(t, old(7*time.Second+time.Millisecond))
		p.polls.running = false
		require.False(t, p.overslept(), "nothing newer is on its way")
	})
}

// A poll that ended before a stop of syncd is not evaluated after it: the nodes are read again.
func TestAPollFromBeforeAStopIsDropped(t *testing.T) {
	inFakeTime(t, fakeConfig{}, func(f *fake) {
		f.reaches(fsm.Working)
		p := f.pair
		require.NoError(t, p.box.orders.Give(f.t.Context(), func(ctx context.Context) error { // nothing else turns the loop meanwhile
			p.poll(ctx)
			time.Sleep(p.cfg.CallTimeout + 2*p.cfg.PollInterval + time.Second) // the poll ends at once
			f.gwatWire.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			return nil
		}))
		synctest.Wait()
		require.Equal(t, string(fsm.Working), p.Snapshot().Stage)
		require.Less(t, p.Snapshot().At, time.Now().Add(-p.cfg.CallTimeout), "of now, without a look at the nodes")
		f.within(2*p.cfg.CallTimeout+2*p.cfg.PollInterval, "not working", func(s *status.Snapshot) bool { return s.Stage != string(fsm.Working) })
	})
}

// Only what shows work is of no use when it is old; a sign of trouble is kept (S6).
func TestWhichPollsAreOutdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pair{machine: fsm.New(func(fsm.Change) {})}
		old := func(age time.Duration) *poll.Observation { return &poll.Observation{Done: time.Now().Add(-age)} }
		require.False(t, p.outdated(old(time.Minute)), "no stage in which work is shown")
		for _, ev := range []fsm.Event{fsm.NodesReached, fsm.CheckpointReached, fsm.DAGSynced, fsm.ReadyAccepted, fsm.Pushed} {
			require.NoError(t, p.machine.Fire(t.Context(), ev, "test"))
		}
		for _, stage := range []fsm.Stage{fsm.Switching, fsm.Working} {
			require.Equal(t, stage, p.machine.Stage())
			require.False(t, p.outdated(old(poll.MaxAge)))
			require.True(t, p.outdated(old(poll.MaxAge+time.Millisecond)))
			syncs, failed := old(time.Minute), old(time.Minute)
			syncs.Gwat.Sync.Syncing, failed.Gwat.Err = true, gwatclient.ErrDown
			require.False(t, p.outdated(syncs))
			require.False(t, p.outdated(failed))
			if stage == fsm.Switching {
				require.NoError(t, p.machine.Fire(t.Context(), fsm.Verified, "test"))
			}
		}
	})
}
