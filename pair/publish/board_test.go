package publish

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/status"
)

func snapshotAt(seq uint64, at time.Time) *status.Snapshot {
	return &status.Snapshot{Seq: seq, At: at, Stage: "working"}
}

func TestASlowReaderGetsTheNewestSnapshot(t *testing.T) {
	b := NewBoard(nil)
	at := time.Unix(1000, 0)
	require.Nil(t, b.Reader().Snapshot())
	b.Publish(snapshotAt(1, at))
	updates, cancel := b.Reader().Updates()
	b.Publish(snapshotAt(2, at))
	b.Publish(snapshotAt(3, at))
	require.EqualValues(t, 3, (<-updates).Seq)
	require.EqualValues(t, 3, b.Reader().Snapshot().Seq)
	cancel()
	cancel()
	_, open := <-updates
	require.False(t, open)
	b.Publish(snapshotAt(4, at))
}

func TestTheFirstUpdateIsThePresentSnapshot(t *testing.T) {
	b := NewBoard(nil)
	b.Publish(snapshotAt(7, time.Unix(1000, 0)))
	updates, cancel := b.Reader().Updates()
	defer cancel()
	require.EqualValues(t, 7, (<-updates).Seq)
}

func TestChangesComeInOrderAndTheNewestAreLost(t *testing.T) {
	b := NewBoard(nil)
	changes, cancel := b.Reader().Subscribe()
	defer cancel()
	updates, leave := b.Reader().Updates()
	defer leave()
	require.Nil(t, <-updates, "no snapshot is there yet")
	for i := range changeBuffer + 10 {
		b.Changed(status.Change{At: time.Unix(int64(i), 0)})
	}
	b.Close()
	_, open := <-updates
	require.False(t, open)
	n := 0
	for c := range changes {
		require.Equal(t, time.Unix(int64(n), 0), c.At)
		n++
	}
	require.Equal(t, changeBuffer, n)
	late, _ := b.Reader().Subscribe()
	_, open = <-late
	require.False(t, open, "after the end a channel is closed from the start")
}

func TestHistoryIsTheNewestFirst(t *testing.T) {
	j := journal.OpenMemory()
	for _, to := range []string{"connecting", "dag_sync", "working"} {
		require.NoError(t, j.AppendChange(journal.Change{To: to}))
	}
	got, err := History(j, 2)
	require.NoError(t, err)
	require.Equal(t, []status.Change{{To: "working"}, {To: "dag_sync"}}, got)
	require.NoError(t, j.Close())
	_, err = History(j, 2)
	require.ErrorIs(t, err, journal.ErrClosed)
}

func TestASnapshotSaysWhatIsRememberedOfThePair(t *testing.T) {
	past := &memory.Memory{}
	at := time.Unix(1000, 0)
	b := NewBoard(past)
	for i := range 3 {
		s := snapshotAt(uint64(i+1), at.Add(time.Duration(i)*time.Second))
		s.Verdict = status.VerdictWorking
		b.Publish(s)
	}
	require.Equal(t, at, *b.Reader().Snapshot().Past.WorkingSince)
	require.Equal(t, past.Newest(2), b.Reader().Samples(2))
	samples, step := b.Reader().Span(at, at.Add(time.Minute), time.Second)
	require.Equal(t, time.Second, step)
	require.Len(t, samples, 3)
	other := NewBoard(past)
	s := snapshotAt(1, at.Add(3*time.Second))
	s.Verdict = status.VerdictWorking
	other.Publish(s)
	require.Equal(t, at, *other.Reader().Snapshot().Past.WorkingSince, "the loop of another era goes on with it")
}
