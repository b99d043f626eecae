package memory

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/status"
)

// A syncd that is killed at any moment leaves values that are at most a minute old, and
// writes the large file no more often for it.
func TestAKillLeavesValuesOfTheLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "past")
		spec := checkpoint.Spec{DepositChainID: 7, GenesisTime: 100}
		log, hook := test.NewNullLogger()
		ctx, cancel := context.WithCancel(t.Context())
		m, done := &Memory{}, make(chan struct{})
		go func() { defer close(done); m.Keep(ctx, path, log) }()
		large, begin := 0, time.Now()
		var written time.Time
		for range 25 * 60 {
			time.Sleep(time.Second)
			s := snapshot(time.Now(), status.VerdictWorking)
			s.Network.ChainID, s.Network.GenesisTime = 7, 100
			m.Add(s)
			synctest.Wait()
			if info, err := os.Stat(path); err == nil && !info.ModTime().Equal(written) {
				large, written = large+1, info.ModTime()
			}
			if time.Now().Second()%7 != 0 {
				continue
			}
			next, note := Open(path) // as if killed now
			require.Empty(t, note)
			gwat, beacon := next.LastKnown(spec)
			if gwat == nil {
				require.Less(t, time.Since(begin), LatestEvery+time.Second)
				continue
			}
			require.LessOrEqual(t, s.At.Sub(gwat.At), LatestEvery+time.Second)
			require.LessOrEqual(t, s.At.Sub(beacon.At), LatestEvery+time.Second)
			require.LessOrEqual(t, s.At.Sub(next.record.WorkedUntil), LatestEvery+time.Second)
		}
		require.Equal(t, 2, large, "in 25 minutes")
		small, err := os.Stat(latestPath(path))
		require.NoError(t, err)
		require.EqualValues(t, latestBytes, small.Size())
		require.Equal(t, os.FileMode(0o600), small.Mode())
		cancel()
		<-done
		require.Empty(t, hook.AllEntries())
	})
}

// Whichever of the two files is newer counts, and one that is damaged adds nothing.
func TestTheNewerFileCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "past")
	m := &Memory{}
	m.Add(snapshot(start, status.VerdictWorking))
	require.NoError(t, m.Save(path))
	m.Add(snapshot(start.Add(time.Minute), status.VerdictFailing))
	require.NoError(t, m.saveLatest(path))
	good, err := os.ReadFile(latestPath(path))
	require.NoError(t, err)

	next, note := Open(path)
	require.Empty(t, note)
	require.Equal(t, status.VerdictFailing, next.record.Verdict)
	require.Len(t, next.Newest(10), 1)
	require.NoError(t, next.saveLatest(path), "before the first snapshot")
	again, _ := Open(path)
	require.Equal(t, status.VerdictFailing, again.record.Verdict)
	past := again.Add(snapshot(start.Add(2*time.Minute), status.VerdictWorking))
	require.Equal(t, start.Add(2*time.Minute), *past.WorkingSince, "the trouble was seen")

	for n := 0; n < len(good); n += 5 {
		bad := append([]byte(nil), good...)
		bad[n] ^= 0x10
		if n%2 == 0 {
			bad = good[:n]
		}
		require.NoError(t, os.WriteFile(latestPath(path), bad, 0o600))
		torn, note := Open(path)
		require.Empty(t, note)
		require.Equal(t, status.VerdictWorking, torn.record.Verdict)
	}
	require.NoError(t, os.WriteFile(latestPath(path), good, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("damaged"), 0o600))
	alone, note := Open(path)
	require.NotEmpty(t, note)
	require.Equal(t, status.VerdictFailing, alone.record.Verdict)
	require.Empty(t, alone.Newest(10))

	m.Add(snapshot(start.Add(3*time.Minute), status.VerdictPaused))
	require.NoError(t, m.Save(path))
	newer, _ := Open(path)
	require.Equal(t, status.VerdictPaused, newer.record.Verdict)
}

// A trouble whose summary is longer than the page is kept by its name: it does not end the
// writing of what each node had last.
func TestALongTroubleIsKeptByItsName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "past")
	m := &Memory{}
	m.Add(snapshot(start, status.VerdictWorking))
	for length, want := range map[int]int{100: 100, 5000: 0} {
		m.record.Trouble = &status.Trouble{From: start, Finding: "gwat_hung", Summary: strings.Repeat("x", length)}
		require.NoError(t, m.saveLatest(path))
		page, err := os.ReadFile(latestPath(path))
		require.NoError(t, err)
		require.Len(t, page, latestBytes)
		next, note := Open(path)
		require.Empty(t, note)
		require.Equal(t, "gwat_hung", next.record.Trouble.Finding)
		require.Len(t, next.record.Trouble.Summary, want)
		require.Len(t, m.record.Trouble.Summary, length, "the memory itself keeps it")
		require.Equal(t, start, next.last)
	}
}
