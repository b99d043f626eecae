package headsync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/gwatclient"
)

func TestRivalWatch(t *testing.T) {
	const slot = 4 * time.Second
	at := time.Unix(1000, 0)
	tick := func() time.Time { at = at.Add(time.Second); return at }

	var w RivalWatch
	w.Observe(Sample{At: tick(), Number: 100})
	w.Observe(Sample{At: tick(), Number: 104}) // the beacon's normal calls only add
	require.False(t, w.Active(at, slot))
	w.Observe(Sample{At: tick(), Number: 90, Ours: true})
	require.False(t, w.Active(at, slot), "our own rollback")
	w.Observe(Sample{At: tick(), Number: 80, Restarted: true})
	require.False(t, w.Active(at, slot), "gwat lost data over a restart")

	w.Observe(Sample{At: tick(), Number: 60})
	require.True(t, w.Active(at, slot), "a rollback that is not ours")
	sign, _, _ := w.Told()
	require.Contains(t, sign, "rolled back")
	w.Observe(Sample{At: tick(), Number: 61})
	require.True(t, w.Active(at.Add(10*time.Second), slot))
	require.False(t, w.Active(at.Add(11*time.Second), slot), "three slots without a sign")
	sign, _, _ = w.Told()
	require.Empty(t, sign)

	w.Observe(Sample{At: tick(), Number: 61, Stage: gwatclient.StageHead})
	require.True(t, w.Active(at.Add(time.Hour), slot), "the lock is held, however long")
	w.Observe(Sample{At: tick(), Number: 61})
	require.True(t, w.Active(at, slot))
	require.False(t, w.Active(at.Add(3*slot), slot))
}
