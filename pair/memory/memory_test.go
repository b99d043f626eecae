package memory

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

var start = time.Unix(1_700_000_100, 0).UTC() // the beginning of five minutes

func ptr[T any](v T) *T { return &v }

func snapshot(at time.Time, verdict string) *status.Snapshot {
	slot := primitives.Slot(at.Unix() / 4)
	return &status.Snapshot{
		Seq: uint64(at.Unix()), At: at, Stage: "working", Verdict: verdict,
		Network: &status.Network{CurrentSlot: slot}, Gwat: status.Node{Slot: &slot, Finalized: ptr(uint64(7))}, Beacon: status.Node{Slot: &slot},
	}
}

// fill adds a snapshot every pace from one time to another.
func fill(m *Memory, from, to time.Time, pace time.Duration, verdict string) {
	for at := from; at.Before(to); at = at.Add(pace) {
		m.Add(snapshot(at, verdict))
	}
}

func TestSamplesAreASecondApartAndBounded(t *testing.T) {
	m := &Memory{}
	m.Add(snapshot(start, "working"))
	m.Add(snapshot(start.Add(time.Second-time.Microsecond), "working"))
	require.Len(t, m.Newest(10), 1)
	fill(m, start.Add(time.Second), start.Add(905*time.Second), time.Second, "working")
	got := m.Newest(2000)
	require.Len(t, got, 900)
	for i := 1; i < len(got); i++ {
		require.Equal(t, time.Second, got[i].At.Sub(got[i-1].At))
	}
	require.Equal(t, got[898:], m.Newest(2))
	require.Empty(t, m.Newest(-1))
}

func TestASampleHasWhatTheSnapshotHas(t *testing.T) {
	m := &Memory{}
	s := snapshot(start, "syncing")
	s.Push = &status.Push{Progress: status.Progress{Current: 3, Target: 9}}
	s.Beacon.Slot = nil
	m.Add(s)
	require.Equal(t, status.Sample{
		Seq: s.Seq, At: start, Stage: "working", Verdict: "syncing", WallSlot: &s.Network.CurrentSlot, GwatSlot: s.Gwat.Slot,
		GwatNumber: ptr(uint64(7)), PushDone: ptr(uint64(3)), PushTotal: ptr(uint64(9)),
	}, m.Newest(1)[0])
}

// Fifteen days at one look a second: each span has its tier, none has more samples than
// the bound, and what is older than a tier comes from the next one.
func TestSpansPickTheirTier(t *testing.T) {
	m := &Memory{}
	end := start.Add(15 * 24 * time.Hour)
	fill(m, start, end.Add(-time.Hour), 5*time.Second, "working")
	fill(m, end.Add(-time.Hour), end, time.Second, "working")
	for _, c := range []struct {
		name     string
		from, to time.Time
		step     time.Duration
		want     time.Duration
		samples  int
	}{
		{"five minutes by the second", end.Add(-5 * time.Minute), end, time.Second, time.Second, 300},
		{"an hour by the second is not kept", end.Add(-time.Hour), end, time.Second, 15 * time.Second, 240},
		{"an hour, chosen", end.Add(-time.Hour), end, 0, 15 * time.Second, 240},
		{"six hours in minutes", end.Add(-6 * time.Hour), end, time.Minute, time.Minute, 360},
		{"a day, chosen", end.Add(-24 * time.Hour), end, 0, 5 * time.Minute, 288},
		{"a day in quarters of an hour", end.Add(-24 * time.Hour), end, 15 * time.Minute, 15 * time.Minute, 96},
		{"a week in hours", end.Add(-7 * 24 * time.Hour), end, time.Hour, time.Hour, 168},
		{"a minute ten days ago", end.Add(-10 * 24 * time.Hour), end.Add(-10*24*time.Hour + 10*time.Minute), time.Second, 5 * time.Minute, 2},
	} {
		got, step := m.Span(c.from, c.to, c.step)
		require.Equal(t, c.want, step, c.name)
		require.InDelta(t, c.samples, len(got), 1, c.name)
		known, working := 0.0, 0.0
		for i, s := range got {
			known, working = known+s.KnownSeconds, working+s.WorkingSeconds
			if i > 0 {
				require.True(t, s.At.After(got[i-1].At), c.name)
			}
		}
		require.InDelta(t, c.to.Sub(c.from).Seconds(), known, 1.1*step.Seconds(), c.name)
		require.InDelta(t, known, working, 1e-6, c.name)
	}
	all, step := m.Span(start.Add(-1000*time.Hour), end, time.Second)
	require.LessOrEqual(t, len(all), MostSamples)
	require.Greater(t, step, 20*time.Minute)
	none, _ := m.Span(end, end.Add(-time.Hour), time.Second)
	require.Empty(t, none)
}

// Ten seconds of trouble are seen in the five minutes, the hours and the day around them.
func TestAnIntervalHasItsWorstVerdict(t *testing.T) {
	m := &Memory{}
	fill(m, start, start.Add(100*time.Second), time.Second, "working")
	fill(m, start.Add(100*time.Second), start.Add(110*time.Second), time.Second, "failing")
	fill(m, start.Add(110*time.Second), start.Add(301*time.Second), time.Second, "working")
	got, _ := m.Span(start, start.Add(time.Hour), 5*time.Minute)
	require.Len(t, got, 2)
	require.Equal(t, "failing", got[0].Verdict)
	require.InDelta(t, 299, got[0].KnownSeconds, 1e-6)
	require.InDelta(t, 289, got[0].WorkingSeconds, 1e-6)
	require.Equal(t, "working", got[1].Verdict)
}

// A time for which syncd did not run is no time of work.
func TestAGapIsNotKnown(t *testing.T) {
	m := &Memory{}
	fill(m, start, start.Add(10*time.Minute), time.Second, "working")
	fill(m, start.Add(50*time.Minute), start.Add(time.Hour), time.Second, "working")
	got, _ := m.Span(start, start.Add(time.Hour), 5*time.Minute)
	require.Len(t, got, 4)
	known := 0.0
	for _, s := range got {
		known += s.KnownSeconds
	}
	require.InDelta(t, 20*60-2, known, 1e-6)
}

// A clock that is set back breaks neither the order nor the bound.
func TestAClockThatIsSetBack(t *testing.T) {
	m := &Memory{}
	fill(m, start.Add(time.Hour), start.Add(time.Hour+5*time.Minute), time.Second, "working")
	fill(m, start, start.Add(20*time.Minute), time.Second, "working")
	got, _ := m.Span(start, start.Add(2*time.Hour), time.Minute)
	require.NotEmpty(t, got)
	for i := 1; i < len(got); i++ {
		require.True(t, got[i].At.After(got[i-1].At))
	}
}

// The bound of memory and disk for a pair, with the tiers full and every number at its
// greatest; 200 pairs stay under 200 MiB.
func TestMemoryAndFileAreBounded(t *testing.T) {
	m := &Memory{}
	total := 0
	for i, tier := range kept {
		for range tier.capacity() {
			p := point{at: 1 << 62, seq: ^uint64(0), known: ^uint32(0), working: ^uint32(0), has: 0xff}
			for v := range p.values {
				p.values[v] = ^uint64(0)
			}
			m.tiers[i].points = append(m.tiers[i].points, p)
		}
		total += cap(m.tiers[i].points)
	}
	require.Less(t, total*int(unsafe.Sizeof(point{})), 1<<20)
	raw, err := m.encode()
	require.NoError(t, err)
	require.Less(t, len(raw), MostBytes)
	t.Logf("%d points, %d KiB in memory, %d KiB on the disk", total, total*int(unsafe.Sizeof(point{}))>>10, len(raw)>>10)
}

func TestThePastIsKeptOverARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "main.journal.past")
	m, note := Open(path)
	require.Empty(t, note)
	fill(m, start, start.Add(40*time.Minute), time.Second, "working")
	require.NoError(t, m.Save(path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	again, note := Open(path)
	require.Empty(t, note)
	require.Equal(t, m.Newest(900), again.Newest(900))
	for _, step := range []time.Duration{time.Second, time.Minute, 5 * time.Minute} {
		want, _ := m.Span(start, start.Add(time.Hour), step)
		got, _ := again.Span(start, start.Add(time.Hour), step)
		require.Equal(t, want, got, step)
	}
	back := start.Add(45 * time.Minute)
	require.Nil(t, again.Add(snapshot(back, "unknown")).WorkingSince)
	again.Add(snapshot(back.Add(time.Second), "syncing"))
	require.Equal(t, start, *again.Add(snapshot(back.Add(2*time.Second), "working")).WorkingSince, "syncd was away, not the pair's work")

	late, _ := Open(path)
	at := start.Add(40*time.Minute + restartGap)
	require.Equal(t, at, *late.Add(snapshot(at, "working")).WorkingSince, "nobody knows what was in so long a time")
	other, _ := Open(path)
	other.Add(snapshot(back, "failing"))
	at = back.Add(time.Second)
	require.Equal(t, at, *other.Add(snapshot(at, "working")).WorkingSince)
}

// A file that is torn at any place, or has a wrong bit anywhere, is an empty past with a note.
func TestADamagedFileIsAnEmptyPast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "past")
	m := &Memory{}
	fill(m, start, start.Add(30*time.Second), time.Second, "working")
	good, err := m.encode()
	require.NoError(t, err)
	check := func(raw []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		got, note := Open(path)
		require.Contains(t, note, path)
		require.Equal(t, &Memory{}, got)
	}
	for n := 0; n < len(good); n += 7 {
		check(good[:n])
		bad := append([]byte(nil), good...)
		bad[n] ^= 0x10
		check(bad)
	}
	check(make([]byte, MostBytes+1))
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	_, note := Open(path)
	require.NotEmpty(t, note)
}

func TestTheLastTrouble(t *testing.T) {
	m := &Memory{}
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	past := m.Add(snapshot(at(0), "syncing"))
	require.Nil(t, past.LastTrouble)
	require.Nil(t, past.WorkedUntil)
	require.Equal(t, at(1), *m.Add(snapshot(at(1), "working")).WorkingSince)
	m.Add(snapshot(at(2), "working"))
	bad := snapshot(at(3), "failing")
	past = m.Add(bad)
	require.Equal(t, at(2), *past.WorkedUntil)
	require.Equal(t, at(3), past.VerdictSince)
	require.Empty(t, past.LastTrouble.Finding)
	bad = snapshot(at(4), "failing")
	bad.Findings = []status.Finding{{Name: "gwat_no_peers", Summary: "gwat has no peers."}}
	first := past.LastTrouble
	past = m.Add(bad)
	require.Empty(t, first.Finding, "a published snapshot does not change")
	require.Equal(t, status.Trouble{From: at(3), Verdict: "failing", Finding: "gwat_no_peers", Summary: "gwat has no peers."}, *past.LastTrouble)
	m.Add(snapshot(at(5), "unknown"))
	require.Nil(t, m.record.Trouble.Until)
	past = m.Add(snapshot(at(6), "syncing"))
	require.Equal(t, at(6), *past.LastTrouble.Until)
	past = m.Add(snapshot(at(7), "working"))
	require.Equal(t, at(7), *past.WorkingSince)
	require.Nil(t, past.WorkedUntil)
	require.Equal(t, at(3), past.LastTrouble.From)
	require.Equal(t, at(8), m.Add(snapshot(at(8), "halted")).LastTrouble.From, "another one")
}

func TestKeepWritesSeldomAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "journal")
		path := filepath.Join(dir, "past")
		log, hook := test.NewNullLogger()
		ctx, cancel := context.WithCancel(t.Context())
		m, done := &Memory{}, make(chan struct{})
		m.Add(snapshot(start, "working"))
		go func() { defer close(done); m.Keep(ctx, path, log) }()
		time.Sleep(2*SaveEvery + time.Second)
		synctest.Wait()
		require.Len(t, hook.AllEntries(), 1, "the directory is missing: told once")
		require.NoError(t, os.Mkdir(dir, 0o700))
		time.Sleep(SaveEvery)
		synctest.Wait()
		read, note := Open(path)
		require.Empty(t, note)
		require.Len(t, read.Newest(10), 1)
		m.Add(snapshot(start.Add(time.Second), "working"))
		cancel()
		<-done
		read, _ = Open(path)
		require.Len(t, read.Newest(10), 2)
		require.Len(t, hook.AllEntries(), 1)
	})
}
