package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// In a first sync gwat is at the last checkpoint until the push comes, which
// may take long to collect: nothing is wrong, and the push is given its time.
func TestFirstSyncAlarmsNobody(t *testing.T) {
	j := New(time.Second)
	at := steady(0)
	for n := range 240 {
		in := steady(n)
		in.Gwat.Number, in.Gwat.Slot, in.Gwat.Spines = at.Gwat.Number, at.Gwat.Slot-64, []checkpoint.SpineState{checkpoint.SpineUnknown}
		in.Beacon.Points = []Point{{Slot: in.Gwat.Slot, State: checkpoint.SpineFinal}}
		switch {
		case n < 20:
			in.Stage = fsm.DAGSync
		case n < 120:
			in.Stage, in.Collecting = fsm.HeadSyncReady, n < 100
		case n < 140:
			in.Stage = fsm.HeadSync // gwat works on the first entries
		case n < 160:
			in.Stage = fsm.HeadSync
			in.Gwat.Number = ptr(*at.Gwat.Number + uint64(n))
		default:
			in.Gwat = steady(n).Gwat
			if in.Stage = fsm.Switching; n >= 180 {
				in.Stage = fsm.Working
			}
		}
		for _, f := range j.Observe(in).Findings {
			require.Equal(t, status.SeverityInfo, f.Severity, "%s at poll %d in stage %s", f.Name, n, in.Stage)
			require.Equal(t, "beacon_ahead_of_gwat", f.Name)
		}
	}
	require.Empty(t, j.Findings())
}

// A gwat that takes a push and does nothing with it is reported nevertheless.
func TestPushThatDoesNotMoveIsTold(t *testing.T) {
	j, told := New(time.Second), 0
	at := steady(0)
	for n := range 100 {
		in := steady(n)
		in.Gwat.Number, in.Gwat.Slot, in.Gwat.Spines = at.Gwat.Number, at.Gwat.Slot, []checkpoint.SpineState{checkpoint.SpineOpen}
		if in.Stage = fsm.HeadSyncReady; n >= 50 {
			in.Stage = fsm.HeadSync
		}
		j.Observe(in)
		if findingNamed(j.Findings(), "gwat_stalled").Name != "" && told == 0 {
			told = n
		}
	}
	require.Equal(t, 50+StalledSlots*4-1, told)
}

// A pause in the middle of a sync leaves gwat where it is: nobody drives it. A pair
// at work is driven by its beacon node, so that a gwat that does not move is reported.
func TestPauseStallsNobodyButAPairAtWork(t *testing.T) {
	for before, want := range map[fsm.Stage]bool{fsm.HeadSync: false, fsm.DAGSync: false, fsm.Working: true} {
		j := New(time.Second)
		for n := range 60 {
			in := steady(n)
			frozenGwat(&in, 0)
			if in.Stage = fsm.Paused; n < 4 {
				in.Stage = before
			}
			j.Observe(in)
		}
		require.Equal(t, want, findingNamed(j.Findings(), "gwat_stalled").Name != "", before)
	}
}
