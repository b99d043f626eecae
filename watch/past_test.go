package watch

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/pair/memory"
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

// A finding that was there when the era was recognized is reported once: the loop of this era goes
// on with it, and reports that it is gone.
func TestAFindingOfTheOtherLoopIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakePair()
		f.gwatDown = true
		cfg := config(f)
		log, hook := test.NewNullLogger()
		cfg.Log = log
		since := time.Now().Add(-time.Minute)
		cfg.Report.Told = []status.Finding{
			{Name: "gwat_unreachable", Severity: status.SeverityCritical, Since: since, Evidence: []string{"down"}},
			{Name: "gwat_stalled", Severity: status.SeverityCritical, Since: since}, // of the other era alone
		}
		w, err := New(cfg)
		require.NoError(t, err)
		require.Equal(t, since, w.Snapshot().Findings[0].Since)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(30 * time.Second)
		require.True(t, hasFinding("gwat_unreachable")(w.Snapshot()))
		require.Equal(t, since, w.Snapshot().Findings[0].Since)
		f.set(func(f *fakePair) { f.gwatDown = false })
		within(t, w, 10*time.Second, "its end", func(s *status.Snapshot) bool { return !hasFinding("gwat_unreachable")(s) })
		cancel()
		require.NoError(t, <-done)
		var said []string
		for _, e := range hook.AllEntries() {
			if e.Data["finding"] != nil {
				said = append(said, strings.Split(e.Message, ":")[0])
			}
		}
		require.Equal(t, []string{"Finding gwat_stalled is gone", "Finding gwat_unreachable is gone"}, said)
	})
}

// A second life that begins while the beacon node is down shows the network, and how far the
// node is behind by what the first one knew.
func TestARestartOfTheWatchKnowsTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakePair()
		cfg := config(f)
		cfg.Past = &memory.Memory{}
		life := func(d time.Duration) *status.Snapshot {
			w, err := New(cfg)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.Run(ctx) }()
			time.Sleep(d + time.Second/2) // between two polls: one of that instant may be of before it or of after it
			s := w.Snapshot()
			cancel()
			require.NoError(t, <-done)
			return s
		}
		first := life(time.Minute)
		require.True(t, first.Beacon.Reachable)
		f.set(func(f *fakePair) { f.beaconDown = true })
		time.Sleep(time.Minute)
		second := life(20 * time.Second)
		require.False(t, second.Beacon.Reachable)
		require.Equal(t, first.Network.Name, second.Network.Name)
		require.Greater(t, second.Network.CurrentSlot, first.Network.CurrentSlot)
		require.Nil(t, second.Beacon.Slot)
		require.Equal(t, &status.LastKnown{At: first.At, Slot: first.Beacon.Slot, Finalized: first.Beacon.Finalized}, second.Beacon.LastKnown)
		require.EqualValues(t, second.Network.CurrentSlot-*first.Beacon.Slot, *second.Beacon.LagSlots)
	})
}
