package health

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// headAt sets the beacon's head, and what follows from it.
func headAt(in *Input, slot primitives.Slot) {
	in.Beacon.Head, in.Beacon.Root = slot, common.Hash{}
	binary.BigEndian.PutUint64(in.Beacon.Root[:], uint64(slot))
	in.Gwat.Slot = min(in.Gwat.Slot, slot)
	in.Gwat.Spines = nil
}

// A beacon node that was ten slots behind for long, and is restarted, begins far
// behind and catches up: the least lag of before says nothing of it.
func TestLagIsMeasuredAnewAfterARestart(t *testing.T) {
	for name, restart := range map[string]func(in *Input, n int){
		"it was away for some slots": func(in *Input, n int) {
			if n < 90 {
				beaconFails(Down)(in, n)
			}
		},
		"its head fell between two polls": func(*Input, int) {},
	} {
		t.Run(name, func(t *testing.T) {
			j := New(time.Second)
			for n := range 80 {
				in := steady(n)
				in.Stage = fsm.CheckpointSync
				headAt(&in, in.Beacon.Head-BehindSlots-2)
				j.Observe(in)
			}
			require.Contains(t, names(j.Findings()), "beacon_behind", "twenty slots behind without coming nearer")
			for n := 80; n < 180; n++ {
				in := steady(n)
				in.Stage = fsm.CheckpointSync
				// Eighty slots behind after the restart, and one slot nearer each second.
				headAt(&in, primitives.Slot(firstSlot+80/4-80+(n-80)+n/4-20))
				restart(&in, n)
				j.Observe(in)
				if n >= 95 {
					require.NotContains(t, names(j.Findings()), "beacon_behind", "poll %d", n)
				}
			}
		})
	}
}

// A head that does not fall, but whose node was away, is not measured by what was
// before, either; and a short loss does not hide a node that stays behind.
func TestLagOverALostNode(t *testing.T) {
	for lost, want := range map[int]bool{2: true, 40: false} {
		j := New(time.Second)
		for n := range 80 {
			in := steady(n)
			in.Stage = fsm.CheckpointSync
			headAt(&in, in.Beacon.Head-BehindSlots-2)
			if n >= 40 && n < 40+lost {
				beaconFails(Down)(&in, n)
			}
			j.Observe(in)
		}
		require.Equal(t, want, findingNamed(j.Findings(), "beacon_behind").Name != "", "lost for %d s", lost)
	}
}

// Time in which the beacon node did not answer is no time in which its head did not move.
func TestHeadDoesNotStandWhileItsNodeIsAway(t *testing.T) {
	j := New(time.Second)
	for n := range warmUp {
		j.Observe(steady(n))
	}
	told := 0
	for n := warmUp; n < warmUp+100; n++ {
		in := steady(n)
		frozenHead(&in, warmUp-1)
		if n < warmUp+50 {
			beaconFails(Silent)(&in, n)
		}
		j.Observe(in)
		if told == 0 && findingNamed(j.Findings(), "beacon_stalled_head").Name != "" {
			told = n
		}
	}
	// Its slot had begun four polls before.
	require.Equal(t, warmUp+50+StalledHeadSlots*4-4, told)
}

// A node that is lost in every second poll is watched all the same.
func TestHeadStandsOnAFlappingNode(t *testing.T) {
	j := New(time.Second)
	for n := range warmUp + 2 + 2*StalledHeadSlots*4 {
		in := steady(n)
		if n >= warmUp {
			frozenHead(&in, warmUp)
			if n%2 == 0 {
				beaconFails(Down)(&in, n)
			}
		}
		j.Observe(in)
	}
	require.Contains(t, names(j.Findings()), "beacon_stalled_head")
}

// While the beacon's head has stopped for good there is something to do.
func TestGwatAheadOfAStandingHeadIsNoInformationOnly(t *testing.T) {
	j := New(time.Second)
	for n := range warmUp {
		j.Observe(steady(n))
	}
	for n := warmUp; n < warmUp+100; n++ {
		in := steady(n)
		frozenHead(&in, warmUp)
		in.Gwat.Slot = in.Beacon.Head + 5
		j.Observe(in)
		f := findingNamed(j.Findings(), "gwat_ahead_of_beacon")
		if n < warmUp+2 {
			continue
		}
		require.NotEmpty(t, f.Name)
		require.Contains(t, f.Remedy, "beacon_stalled_head")
		stalled := findingNamed(j.Findings(), "beacon_stalled_head").Name != ""
		require.Equal(t, n >= warmUp+StalledHeadSlots*4, stalled)
		if stalled {
			require.Equal(t, status.SeverityWarning, f.Severity)
			require.Contains(t, f.Evidence, "the beacon's head does not move: it will not catch up by itself")
		} else {
			require.Equal(t, status.SeverityInfo, f.Severity)
			require.Len(t, f.Evidence, 1)
		}
	}
}

// Before genesis no head can move: the first slots are given their time.
func TestGenesisInTheFuture(t *testing.T) {
	j, told := New(time.Second), 0
	genesis := testSpec.SlotStart(0)
	for n := range 200 {
		in := steady(n)
		in.Stage = fsm.Switching
		in.At = genesis.Add(time.Duration(n-100) * time.Second)
		in.Beacon.ClockAt, in.Beacon.Clock = in.At, testSpec.SlotAt(in.At)
		in.Events, in.Beacon.Justified, in.Beacon.Points = 0, 0, nil
		headAt(&in, 0)
		in.Gwat.Slot, in.Gwat.Number = 0, ptr(0)
		r := j.Observe(in)
		if n < 100+StalledHeadSlots*4 {
			require.Empty(t, r.Findings, "%d s after genesis", n-100)
		} else if told == 0 && findingNamed(r.Findings, "beacon_stalled_head").Name != "" {
			told = n
			require.Equal(t, genesis, findingNamed(r.Findings, "beacon_stalled_head").Since)
			require.Contains(t, findingNamed(r.Findings, "beacon_stalled_head").Evidence[0], "slot 0 for 8 slots")
		}
	}
	require.Equal(t, 100+StalledHeadSlots*4, told)
}

// Windows are of time as well as of polls: polls that events wake, half an interval
// apart, bring nothing forward, and take nothing away earlier.
func TestWindowsAreOfTimeToo(t *testing.T) {
	j := New(time.Second)
	at := func(n int) Input {
		in := steady(n / 2)
		in.Elapsed = time.Duration(n) * 500 * time.Millisecond
		in.At = testSpec.SlotStart(firstSlot).Add(in.Elapsed)
		return in
	}
	for n := range 20 {
		require.Empty(t, j.Observe(at(n)).Findings)
	}
	told, gone := 0, 0
	for n := 20; n < 60; n++ {
		in := at(n)
		if n < 40 {
			in.Gwat = Gwat{Node: failing(Down)}
		}
		r := j.Observe(in)
		switch {
		case len(r.Appeared) > 0:
			require.Equal(t, []string{"gwat_unreachable"}, names(r.Appeared))
			told = n
		case len(r.Gone) > 0:
			gone = n
		}
	}
	require.Equal(t, 20+4, told, "two seconds after the first")
	require.Equal(t, 40+4, gone)
}

// Where one node of a kind is all there is, no peers is no fault.
func TestPeersOptional(t *testing.T) {
	for _, optional := range []bool{false, true} {
		j := New(time.Second)
		for n := range 60 {
			in := steady(n)
			in.PeersOptional = optional
			in.Gwat.Peers, in.Beacon.Peers = ptr(0), ptr(0)
			j.Observe(in)
		}
		want := []string{"beacon_no_peers", "gwat_no_peers"}
		if optional {
			want = nil
		}
		require.Equal(t, want, names(j.Findings()))
	}
}

func TestStartingNodeIsGivenItsTime(t *testing.T) {
	j := New(time.Second)
	for n := range warmUp {
		j.Observe(steady(n))
	}
	for n := warmUp; n < warmUp+20; n++ {
		in := steady(n)
		in.Stage = fsm.Connecting
		switch {
		case n < warmUp+3:
			beaconFails(Down)(&in, n)
		case n < warmUp+19:
			beaconFails(Starting)(&in, n)
		}
		j.Observe(in)
		if n >= warmUp+5 && n < warmUp+19 {
			require.NotContains(t, names(j.Findings()), "beacon_starting")
			require.NotContains(t, names(j.Findings()), "beacon_bad_answers")
		}
	}
}

// A short loss puts off what needs time behind the clock by as long as it took.
func TestShortLossPutsTheLagOff(t *testing.T) {
	j, told := New(time.Second), 0
	for n := range 80 {
		in := steady(n)
		in.Stage = fsm.CheckpointSync
		headAt(&in, in.Beacon.Head-BehindSlots-2)
		if n == 20 || n == 21 {
			beaconFails(Down)(&in, n)
		}
		if j.Observe(in); told == 0 && findingNamed(j.Findings(), "beacon_behind").Name != "" {
			told = n
		}
	}
	require.Equal(t, BehindFor*4+2, told)
}
