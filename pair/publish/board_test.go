package publish

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

func snapshotAt(seq uint64, at time.Time) *status.Snapshot {
	return &status.Snapshot{Seq: seq, At: at, Stage: "working"}
}

func TestASlowReaderGetsTheNewestSnapshot(t *testing.T) {
	var b Board
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
	var b Board
	b.Publish(snapshotAt(7, time.Unix(1000, 0)))
	updates, cancel := b.Reader().Updates()
	defer cancel()
	require.EqualValues(t, 7, (<-updates).Seq)
}

func TestChangesComeInOrderAndTheNewestAreLost(t *testing.T) {
	var b Board
	changes, cancel := b.Reader().Subscribe()
	defer cancel()
	for i := range changeBuffer + 10 {
		b.Changed(status.Change{At: time.Unix(int64(i), 0)})
	}
	b.Close()
	n := 0
	for c := range changes {
		require.Equal(t, time.Unix(int64(n), 0), c.At)
		n++
	}
	require.Equal(t, changeBuffer, n)
	late, _ := b.Reader().Subscribe()
	_, open := <-late
	require.False(t, open, "after the end a channel is closed from the start")
}

func TestSamplesAreASecondApartAndBounded(t *testing.T) {
	var b Board
	at := time.Unix(1000, 0)
	b.Publish(snapshotAt(1, at))
	b.Publish(snapshotAt(2, at.Add(SamplePace-1)))
	require.Len(t, b.Reader().Samples(10), 1)
	for i := range KeptSamples + 5 {
		at = at.Add(SamplePace)
		b.Publish(snapshotAt(uint64(10+i), at))
	}
	kept := b.Reader().Samples(KeptSamples + 100)
	require.Len(t, kept, KeptSamples)
	require.EqualValues(t, 10+KeptSamples+4, kept[len(kept)-1].Seq)
	for i := 1; i < len(kept); i++ {
		require.Equal(t, kept[i-1].Seq+1, kept[i].Seq)
	}
	require.Equal(t, kept[KeptSamples-2:], b.Reader().Samples(2))
	require.Empty(t, b.Reader().Samples(-1))
}

func TestASampleHasWhatTheSnapshotHas(t *testing.T) {
	var b Board
	s := snapshotAt(1, time.Unix(1000, 0))
	s.Network = &status.Network{CurrentSlot: 33}
	s.Push = &status.Push{Progress: status.Progress{Current: 3, Target: 9}}
	b.Publish(s)
	got := b.Reader().Samples(1)[0]
	require.EqualValues(t, 33, *got.WallSlot)
	require.EqualValues(t, 3, *got.PushDone)
	require.EqualValues(t, 9, *got.PushTotal)
}
