package health

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/status"
)

// lookOf returns what a rule of either table sees.
func lookOf(t *testing.T, name string) func(*view) signal {
	t.Helper()
	all := slices.Concat(rules, coordinatedTable)
	i := slices.IndexFunc(all, func(r rule) bool { return r.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return all[i].look
}

// Each rule at the bound of one of its conditions, on one poll.
func TestRulesAtTheirBounds(t *testing.T) {
	yes, no := true, false
	lagsBy := func(by primitives.Slot) func(*Input, *memory) {
		return func(in *Input, _ *memory) {
			in.Gwat.Slot, in.Gwat.Spines = in.Beacon.Head-by, []checkpoint.SpineState{checkpoint.SpineUnknown}
		}
	}
	lags := lagsBy(20)
	unheard := func(heads int, since time.Duration) func(*Input, *memory) {
		return func(in *Input, m *memory) {
			m.now, m.unheard, m.unheardFrom = in.Elapsed, heads, in.Elapsed-since
		}
	}
	window := UnheardHeads * testSpec.SlotDuration()
	justified := func(lag primitives.Slot) func(*Input, *memory) {
		return func(in *Input, m *memory) {
			in.Beacon.Clock = in.Beacon.Head + lag
			in.Beacon.Justified = testSpec.Epoch(in.Beacon.Clock) - forkEpochs
			m.coord.observeHead(in, m)
		}
	}
	final := func(behind primitives.Epoch) func(*Input, *memory) {
		return func(in *Input, _ *memory) { in.Beacon.Justified = testSpec.Epoch(in.Beacon.Head) - behind }
	}
	left := func(by primitives.Slot) func(*Input, *memory) {
		return func(in *Input, m *memory) {
			in.Coordinated.HeadFinal = &no
			m.coord.peers = map[string]uint64{nodeGwat: 0}
			m.coord.finalHead = in.Beacon.Head - by
		}
	}
	uncounted := func(checkpoint *bool) func(*Input, *memory) {
		return func(in *Input, m *memory) {
			in.Gwat.Syncing, in.Coordinated.CheckpointKnown = true, checkpoint
			m.coord.waiting, m.coord.finalHead = true, in.Beacon.Head-UnmovedSlots
		}
	}
	driven := func(lag primitives.Slot, epochs primitives.Epoch) func(*Input, *memory) {
		return func(in *Input, _ *memory) {
			in.Beacon.Clock = in.Beacon.Head + lag
			in.Coordinated.CheckpointKnown, in.Coordinated.State.Epoch = &no, testSpec.Epoch(in.Beacon.Head)+epochs
		}
	}
	for name, tc := range map[string]struct {
		rule   string
		change func(*Input, *memory)
		want   state
		says   string
	}{
		"gwat lags":                         {"beacon_ahead_of_gwat", lags, present, "gwat's last finalized block"},
		"gwat lags as it always may":        {"beacon_ahead_of_gwat", lagsBy(AheadSlots), absent, ""},
		"gwat lags by one more":             {"beacon_ahead_of_gwat", lagsBy(AheadSlots + 1), present, ""},
		"gwat lags, not compared":           {"beacon_ahead_of_gwat", func(in *Input, m *memory) { lags(in, m); in.Gwat.Compared = false }, unknown, ""},
		"gwat lags, the head was not read":  {"beacon_ahead_of_gwat", func(in *Input, m *memory) { lags(in, m); in.Beacon.Known = false }, unknown, ""},
		"gwat lags, its number is unknown":  {"beacon_ahead_of_gwat", func(in *Input, m *memory) { lags(in, m); in.Gwat.Number = nil }, unknown, ""},
		"gwat lags and loads what is final": {"beacon_ahead_of_gwat", func(in *Input, m *memory) { lags(in, m); in.Gwat.Syncing, in.Gwat.SyncStage = true, stageFinalized }, absent, ""},
		"gwat lags and loads its DAG":       {"beacon_ahead_of_gwat", func(in *Input, m *memory) { lags(in, m); in.Gwat.Syncing, in.Gwat.SyncStage = true, stageDAG }, absent, ""},
		"gwat lags and says resync":         {"beacon_ahead_of_gwat", func(in *Input, m *memory) { lags(in, m); in.Gwat.Syncing, in.Gwat.SyncStage = true, "resync" }, present, "resync"},

		"gwat at the head":                 {"gwat_ahead_of_beacon", func(in *Input, _ *memory) { in.Gwat.Slot = in.Beacon.Head }, absent, ""},
		"gwat past the head":               {"gwat_ahead_of_beacon", func(in *Input, _ *memory) { in.Gwat.Slot = in.Beacon.Head + 1 }, present, "gwat's last finalized block"},
		"gwat past a head that is unknown": {"gwat_ahead_of_beacon", func(in *Input, _ *memory) { in.Gwat.Slot, in.Beacon.Known = in.Beacon.Head+1, false }, unknown, ""},
		"a gwat without a number":          {"gwat_ahead_of_beacon", func(in *Input, _ *memory) { in.Gwat.Slot, in.Gwat.Number = in.Beacon.Head+1, nil }, unknown, ""},

		"heads without an event": {"sse_silent", unheard(UnheardHeads, window), present, "new heads since the last event"},
		"one head fewer":         {"sse_silent", unheard(UnheardHeads-1, window), unknown, ""},
		"a shorter time":         {"sse_silent", unheard(UnheardHeads, window-1), unknown, ""},
		"one head":               {"sse_silent", unheard(1, window), absent, ""},

		"a lock until a time": {"lock_held", func(in *Input, _ *memory) { in.Lock = &Lock{Until: time.Unix(1_800_000_000, 0)} }, present, "free at the latest at 2027-01-15T08:00:00Z"},
		"our running call":    {"lock_held", func(in *Input, _ *memory) { in.Lock = &Lock{Running: true} }, absent, ""},

		"a checkpoint as old as it may be":   {"finality_stalled", final(YoungEpochs), absent, ""},
		"a checkpoint that is neither":       {"finality_stalled", final(YoungEpochs + 1), unknown, ""},
		"a checkpoint nearly too old":        {"finality_stalled", final(OldEpochs - 1), unknown, ""},
		"a checkpoint that is too old":       {"finality_stalled", final(OldEpochs), present, ""},
		"a head that is unknown":             {"finality_stalled", func(in *Input, m *memory) { final(OldEpochs)(in, m); in.Beacon.Known = false }, unknown, ""},
		"a head before the network is known": {"finality_stalled", func(in *Input, m *memory) { final(OldEpochs)(in, m); m.spec = nil }, unknown, ""},

		"a head near the clock without finality":   {"private_fork", justified(2), present, "2 slots behind the clock"},
		"a head behind the clock without finality": {"private_fork", justified(3), absent, ""},

		"gwat without peers, and the head goes on": {"no_peers_loop", left(UnmovedSlots), present, "for 40s"},
		"the head has not gone on as far":          {"no_peers_loop", left(UnmovedSlots - 1), absent, ""},
		"its peers and the checkpoint are unknown": {"no_peers_loop", uncounted(nil), present, unknownPeers},
		"only its peers are unknown":               {"no_peers_loop", uncounted(&yes), present, unknownPeers},
		"its checkpoint is nobody's":               {"no_peers_loop", uncounted(&no), absent, ""},

		"gwat past a head that is on time":    {"foreign_checkpoint", driven(LagSlots, 1), present, "no header"},
		"gwat past a head that begins again":  {"foreign_checkpoint", driven(LagSlots+1, 1), unknown, ""},
		"gwat level with a head that is late": {"foreign_checkpoint", driven(LagSlots+1, 0), present, "no header"},
	} {
		t.Run(name, func(t *testing.T) {
			in := steady(40)
			in.Coordinated = &Coordinated{State: &CoordinatedState{}}
			m := &memory{spec: &testSpec}
			tc.change(&in, m)
			s := lookOf(t, tc.rule)(&view{Input: &in, mem: m})
			require.Equal(t, tc.want, s.state)
			if tc.says != "" {
				require.Contains(t, strings.Join(s.evidence, "\n"), tc.says)
			}
		})
	}
	unbounded := steady(40)
	unbounded.Lock = &Lock{}
	require.Len(t, lookOf(t, "lock_held")(&view{Input: &unbounded, mem: &memory{}}).evidence, 1, "no time is known")
}

// A rule of polls and slots waits for both: with slow polls the polls are what lasts.
func TestDutiesAtRiskWithSlowPolls(t *testing.T) {
	const poll = 12 * time.Second
	j, told := NewCoordinated(poll), 0
	for n := range 20 {
		in := coordinatedSteady(n * 12)
		if n >= 10 {
			in.Gwat.Syncing = true
			if findingNamed(j.Observe(in).Findings, "duties_at_risk").Name != "" && told == 0 {
				told = n - 9
			}
			continue
		}
		j.Observe(in)
	}
	require.Equal(t, 4, told)
}

// A restart is over once gwat has worked for UnmovedSlots, and its rollback once gwat has
// the number from before.
func TestTheEndOfARestart(t *testing.T) {
	slot := liveSpec.SlotDuration()
	c := coordinatedMemory{known: true}
	c.observeWork(&Input{Gwat: Gwat{Syncing: true}}, true, slot)
	require.True(t, c.waiting)
	for after, waits := range map[time.Duration]bool{0: true, UnmovedSlots*slot - 1: true, UnmovedSlots * slot: false} {
		work := c
		work.observeWork(&Input{}, false, slot)
		work.observeWork(&Input{Elapsed: after}, false, slot)
		require.Equal(t, waits, work.waiting, after)
	}
	for back, lower := range map[uint64]bool{99: true, 100: false, 101: false} {
		c := coordinatedMemory{numbered: true, number: 100}
		c.startAgain(0)
		c.observeNumber(&Input{Gwat: Gwat{Number: ptr(90)}})
		require.EqualValues(t, 100, c.highest)
		c.observeNumber(&Input{Gwat: Gwat{Number: &back}})
		require.Equal(t, lower, c.highest != 0, back)
	}
}

// What another engine reported is taken over, also behind a finding that this one lacks.
func TestResumeAfterAnUnknownFinding(t *testing.T) {
	lost, kept := status.Finding{Name: "of_another_version"}, status.Finding{Name: "gwat_unreachable"}
	j := New(time.Second)
	require.Equal(t, []status.Finding{lost}, j.Resume([]status.Finding{lost, kept}))
	require.Equal(t, []string{kept.Name}, names(j.Findings()))
	in := steady(0)
	in.Gwat = Gwat{Node: failing(Down)}
	report := j.Observe(in)
	require.Equal(t, []string{kept.Name}, names(report.Findings), "it is there from the first poll on")
	require.Empty(t, report.Appeared, "and is not reported again")
}
