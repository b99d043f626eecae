package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// A watched pair remembers since when it works, its trouble with the finding, and its past
// in steps, as a pair of the other era does.
func TestAWatchedPairRemembers(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		begin := time.Now()
		time.Sleep(2 * time.Minute)
		snap := w.Snapshot()
		require.Equal(t, status.VerdictWorking, snap.Verdict)
		require.NotNil(t, snap.Past.WorkingSince)
		require.Nil(t, snap.Past.LastTrouble)
		f.set(func(f *fakePair) { f.gwatDown = true })
		time.Sleep(5 * time.Minute)
		snap = w.Snapshot()
		require.Equal(t, status.VerdictFailing, snap.Verdict)
		require.NotNil(t, snap.Past.WorkedUntil)
		require.NotEmpty(t, snap.Past.LastTrouble.Finding)
		require.NotEmpty(t, snap.Past.LastTrouble.Summary)
		require.Nil(t, snap.Past.LastTrouble.Until)
		f.set(func(f *fakePair) { f.gwatDown = false })
		time.Sleep(5 * time.Minute)
		snap = w.Snapshot()
		require.Equal(t, status.VerdictWorking, snap.Verdict)
		require.NotNil(t, snap.Past.LastTrouble.Until)
		require.True(t, snap.Past.WorkingSince.After(snap.Past.LastTrouble.From))
		samples, step := w.Span(begin, time.Now(), time.Minute)
		require.Equal(t, time.Minute, step)
		require.InDelta(t, 12, len(samples), 1)
	})
}
