package health

import (
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
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

// In the stages in which only syncd's push moves gwat, a standstill of gwat that was reported
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

// Heads of a node that is far behind bring no events: it reports none in its initial sync.
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
		"one poll": polls(1), "3 polls in a row (2 s with a poll a second)": polls(3), "60 seconds": seconds(60), "1 slot": slots(1), "2 slots": slots(2),
	} {
		require.Equal(t, want, s.String())
	}
}

// A finding is void when one of the nodes that it is about is another one; whether an
// endpoint answers is not about the node behind it.
func TestWhichNodesAFindingIsAbout(t *testing.T) {
	for _, tc := range []struct {
		rule         rule
		gwat, beacon bool // whether another such node voids it
	}{
		{rule{needs: gwat}, true, false},
		{rule{needs: beacon}, false, true},
		{rule{needs: both}, true, true},
		{rule{needs: nobody}, false, false},
		{rule{needs: both, reach: true}, false, false},
	} {
		require.Equal(t, tc.gwat, replaced{gwat: true}.concerns(&tc.rule), "%+v", tc.rule)
		require.Equal(t, tc.beacon, replaced{beacon: true}.concerns(&tc.rule), "%+v", tc.rule)
		require.Equal(t, tc.gwat || tc.beacon, replaced{gwat: true, beacon: true}.concerns(&tc.rule), "%+v", tc.rule)
		require.False(t, replaced{}.concerns(&tc.rule), "%+v", tc.rule)
	}
}

// A head that jumps over an epoch is kept for ForkSlots, unless it is far behind the
// clock, in a sync, or something is justified meanwhile.
func TestAHeadThatJumpsAtItsBounds(t *testing.T) {
	const from = primitives.Slot(320)
	seconds := func(slots int) time.Duration { return time.Duration(slots) * liveSpec.SlotDuration() }
	for name, tc := range map[string]struct {
		by, behind primitives.Slot
		syncing    bool
		justified  primitives.Epoch
		later      time.Duration // of a further poll
		want       bool
	}{
		"an epoch":               {by: 32},
		"more than an epoch":     {by: 33, want: true},
		"at the bound of a lag":  {by: 33, behind: LagSlots, want: true},
		"far behind":             {by: 33, behind: LagSlots + 1},
		"in a sync":              {by: 33, syncing: true},
		"with something new":     {by: 33, justified: 1},
		"at the end of its time": {by: 33, later: seconds(ForkSlots), want: true},
		"after its time":         {by: 33, later: seconds(ForkSlots) + time.Millisecond},
	} {
		m := &memory{spec: &liveSpec}
		c := &m.coord
		observe := func(elapsed time.Duration, head, clock primitives.Slot, justified primitives.Epoch, syncing bool) {
			c.observeHead(&Input{Elapsed: elapsed, Beacon: Beacon{Known: true, Head: head, Clock: clock, Justified: justified},
				Coordinated: &Coordinated{BeaconSyncing: syncing}}, m)
		}
		observe(0, from, from, 0, false)
		require.Nil(t, c.jump, name)
		observe(time.Second, from+tc.by, from+tc.by+tc.behind, tc.justified, tc.syncing)
		if tc.later > 0 {
			observe(time.Second+tc.later, from+tc.by, from+tc.by, tc.justified, false)
		}
		require.Equal(t, tc.want, c.jump != nil, name)
	}
}

// A fall of gwat's number is a restart's only if gwat was away before it.
func TestARollbackIsARestartsOnlyAfterOne(t *testing.T) {
	for _, away := range []bool{false, true} {
		j, told := NewCoordinated(time.Second), false
		for n := range 60 {
			in := coordinatedSteady(n)
			if n == 30 && away {
				in.Gwat.Node, in.Gwat.Number = failing(Down), nil
			}
			if n > 30 {
				in.Gwat.Number = ptr(*in.Gwat.Number - 8)
			}
			told = told || findingNamed(j.Observe(in).Findings, "gwat_restart_rollback").Name != ""
		}
		require.Equal(t, away, told, "gwat was away: %t", away)
	}
}

// The spines of both nodes are judged only by a poll that compared them, and the evidence
// counts them from one.
func TestSpinesThatDiffer(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Input)
		want   string
	}{
		"compared":           {func(*Input) {}, "spine 2 of the beacon's head"},
		"not compared":       {func(in *Input) { in.Gwat.Compared = false }, ""},
		"gwat has no number": {func(in *Input) { in.Gwat.Number = nil }, ""},
	} {
		j := New(time.Second)
		for n := range 20 {
			in := steady(n)
			in.Gwat.Spines = []checkpoint.SpineState{checkpoint.SpineFinal, checkpoint.SpineMisplace}
			tc.change(&in)
			j.Observe(in)
		}
		f := findingNamed(j.Findings(), "spines_differ")
		require.Equal(t, tc.want != "", f.Name != "", name)
		if tc.want != "" {
			require.Contains(t, f.Evidence[0], tc.want)
		}
	}
}

// Evidence that the newest poll does not show, of a finding that is reported on meanwhile, has
// the time at which it was read.
func TestEvidenceSaysFromWhenItIs(t *testing.T) {
	j := New(time.Second)
	at := func(n int, failed bool) *time.Time {
		t.Helper()
		in := steady(n)
		if failed {
			gwatFails(Down)(&in, n)
		}
		f := findingNamed(j.Observe(in).Findings, "gwat_unreachable")
		require.NotEmpty(t, f.Name, n)
		require.NotEmpty(t, f.Evidence, n)
		return f.EvidenceAt
	}
	for n := range 4 {
		in := steady(n)
		gwatFails(Down)(&in, n)
		j.Observe(in)
	}
	seen := steady(4).At
	require.Nil(t, at(4, true))
	require.Equal(t, seen, *at(5, false))
	require.Equal(t, seen, *at(6, false))
	require.Nil(t, at(7, true), "it is seen again")
	require.Equal(t, steady(7).At, *at(8, false))
	resumed := New(time.Second)
	resumed.Resume(j.Findings())
	f := resumed.Observe(steady(9)).Findings[0]
	require.Equal(t, steady(7).At, *f.EvidenceAt, "an earlier engine has read it")
}
