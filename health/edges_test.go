package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
)

// Rules at the edges of their constants.

func TestFailedAttemptsAtTheirBound(t *testing.T) {
	for failed, want := range map[int]bool{4: false, 5: true} {
		j := New(time.Second)
		for n := range 60 {
			in := steady(n)
			in.Failed, in.FailedFor, in.FailedWhy = failed, time.Duration(n)*time.Second, "broken"
			j.Observe(in)
		}
		require.Equal(t, want, findingNamed(j.Findings(), "head_sync_failing").Name != "", "%d attempts", failed)
	}
}

func TestClockJumpsAtTheirBound(t *testing.T) {
	for by, want := range map[time.Duration]bool{
		1999 * time.Millisecond: false, 2 * time.Second: true, -2 * time.Second: true, -1999 * time.Millisecond: false,
	} {
		j, told := New(time.Second), false
		for n := range 20 {
			in := steady(n)
			if n >= 10 {
				in.At = in.At.Add(by)
			}
			told = told || findingNamed(j.Observe(in).Findings, "clock_skew").Name != ""
		}
		require.Equal(t, want, told, by)
	}
}

// Loading its DAG is a move of gwat's; a syncing gwat in another stage does not move.
func TestOnlyALoadOfTheDAGIsAMove(t *testing.T) {
	for stage, want := range map[string]bool{stageDAG: false, "resync": true} {
		j := New(time.Second)
		for n := range 60 {
			in := steady(n)
			frozenGwat(&in, 0)
			in.Gwat.Syncing, in.Gwat.SyncStage, in.Gwat.TipSlot = true, stage, in.Beacon.Head
			j.Observe(in)
		}
		require.Equal(t, want, findingNamed(j.Findings(), "gwat_stalled").Name != "", stage)
	}
}

// In the stages in which only syncd's push moves gwat, a stand of gwat that was told
// does not go by the push's moves.
func TestStalledDoesNotGoByAPush(t *testing.T) {
	for stage, gone := range map[fsm.Stage]bool{fsm.HeadSyncReady: false, fsm.HeadSync: false, fsm.Switching: false, fsm.Working: true, fsm.DAGSync: true} {
		j := New(time.Second)
		n := 0
		for ; n < 60; n++ {
			in := steady(n)
			frozenGwat(&in, 0)
			j.Observe(in)
		}
		require.NotEmpty(t, findingNamed(j.Findings(), "gwat_stalled").Name)
		for ; n < 66; n++ {
			in := steady(n)
			in.Stage = stage
			j.Observe(in)
		}
		require.Equal(t, gone, findingNamed(j.Findings(), "gwat_stalled").Name == "", stage)
	}
}

// Heads of a node that is far behind bring no events: it tells none in its initial sync.
func TestHeadsOfAnInitialSyncAreNotMissed(t *testing.T) {
	for behind, want := range map[int]bool{checkpoint.NearHead: true, checkpoint.NearHead + 40: false} {
		j, told := New(time.Second), false
		for n := range 60 {
			in := steady(n)
			in.Events = 0
			headAt(&in, in.Beacon.Head-1)
			if behind > checkpoint.NearHead {
				headAt(&in, in.Beacon.Head-40)
			}
			j.Observe(in)
			told = told || findingNamed(j.Findings(), "sse_silent").Name != ""
		}
		require.Equal(t, want, told, behind)
	}
}

func TestWindowsAsText(t *testing.T) {
	for want, s := range map[string]span{
		"one poll": polls(1), "3 polls in a row (2 s with a poll a second)": polls(3), "60 seconds": seconds(60), "1 slots": slots(1), "2 slots": slots(2),
	} {
		require.Equal(t, want, s.String())
	}
}
