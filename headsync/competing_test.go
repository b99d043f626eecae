package headsync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/protocol"
)

func TestCompetingDriver(t *testing.T) {
	const slot = 4 * time.Second
	at := time.Unix(1000, 0)
	tick := func() time.Time { at = at.Add(time.Second); return at }

	var w CompetingDriver
	w.Observe(Sample{At: tick(), Number: 100})
	w.Observe(Sample{At: tick(), Number: 104}) // the beacon's normal calls only add
	require.False(t, active(&w, at, slot))
	w.Observe(Sample{At: tick(), Number: 90, Ours: true})
	require.False(t, active(&w, at, slot), "our own rollback")
	w.Observe(Sample{At: tick(), Number: 80, Restarted: true})
	require.False(t, active(&w, at, slot), "gwat lost data over a restart")

	w.Observe(Sample{At: tick(), Number: 60})
	require.True(t, active(&w, at, slot), "a rollback that is not ours")
	sign, _, _ := w.LastSign()
	require.Contains(t, sign, "rolled back")
	w.Observe(Sample{At: tick(), Number: 61})
	require.True(t, active(&w, at.Add(10*time.Second), slot))
	require.False(t, active(&w, at.Add(11*time.Second), slot), "three slots without a sign")
	sign, _, _ = w.LastSign()
	require.Empty(t, sign)

	w.Observe(Sample{At: tick(), Number: 61, State: protocol.State{Activity: protocol.Prepared}})
	require.True(t, active(&w, at.Add(time.Hour), slot), "the lock is held, however long")
	w.Observe(Sample{At: tick(), Number: 61})
	require.True(t, active(&w, at, slot))
	require.False(t, active(&w, at.Add(3*slot), slot))
}

func active(w *CompetingDriver, at time.Time, slot time.Duration) bool {
	w.Expire(at, slot)
	return w.Active()
}
