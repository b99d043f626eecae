package pair

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/pair/poll"
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
