package health

import (
	"slices"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
)

// standStill makes of a recording's calm beginning one of a network that makes no block from a
// time on, for some seconds, and goes on then. Times are seconds after genesis. gwat leaves
// normal work after an epoch without a call.
func standStill(r *recording, from, to, lasts float64) {
	genesis, epoch := float64(r.spec.GenesisTime), float64(r.spec.SlotsPerEpoch*r.spec.SecondsPerSlot)
	begin := slices.IndexFunc(r.polls, func(p livePoll) bool { return p.At-genesis >= from })
	end := slices.IndexFunc(r.polls, func(p livePoll) bool { return p.At-genesis >= to })
	later, last := slices.Clone(r.polls[begin:end]), r.polls[begin-1]
	out := r.polls[:begin:begin]
	for s := 1.0; s <= lasts; s++ {
		p := last
		p.At += s
		clock := primitives.Slot((p.At - genesis) / float64(r.spec.SecondsPerSlot))
		p.Distance, p.Syncing = clock-min(clock, p.Head), s > epoch
		out = append(out, p)
	}
	gap := primitives.Slot(lasts / float64(r.spec.SecondsPerSlot))
	for _, p := range later {
		p.At += lasts
		p.Head, p.Justified = p.Head+gap, p.Justified+r.spec.Epoch(gap)
		out = append(out, p)
	}
	r.polls = out
}

// A network without blocks is reported as that, after two epochs in which its beacon node found
// no peer that is ahead of it. Before, its head is one that lags. Each recording begins with, or
// has, a calm time.
func TestANetworkThatStandsStill(t *testing.T) {
	for pair, calm := range map[int][2]float64{1: {700, 900}, 3: {105, 140}, 4: {640, 780}} {
		r := recordingOf(t, pair)
		if pair == 4 { // its beginning is an incident of its own
			r.polls = slices.DeleteFunc(r.polls, func(p livePoll) bool { return p.At-float64(r.spec.GenesisTime) < 600 })
		}
		lasts := 100.0 * 3
		standStill(r, calm[0], calm[1], lasts)
		changes := r.replay(t)
		require.Len(t, changes, 4, "pair %d: %v", pair, changes)
		for i, want := range []struct {
			what        string
			first, last float64 // seconds after the last poll of a moving head
		}{
			{"+ sawtooth", 6 * 3, 13 * 3},
			{"+ network_stalled", 70 * 3, 74 * 3},
			{"- sawtooth", lasts, lasts + 11},
			{"- network_stalled", lasts, lasts + 11},
		} {
			i = slices.IndexFunc(changes, func(c change) bool { return c.what == want.what })
			require.GreaterOrEqual(t, i, 0, "pair %d, %s: %v", pair, want.what, changes)
			require.GreaterOrEqual(t, changes[i].at, calm[0]+want.first, "pair %d: %v", pair, changes)
			require.LessOrEqual(t, changes[i].at, calm[0]+want.last, "pair %d: %v", pair, changes)
		}
	}
}

// stalled is poll n of a pair whose network has made no block since poll 60.
func stalled(n int) Input {
	in, final := coordinatedSteady(n), true
	if n > 60 {
		was := coordinatedSteady(60)
		in.Beacon.Head, in.Beacon.Root, in.Beacon.Justified = was.Beacon.Head, was.Beacon.Root, was.Beacon.Justified
		in.Gwat.Number, in.Coordinated.State = was.Gwat.Number, was.Coordinated.State
		in.Gwat.Syncing = n > 60+32*3
	}
	in.Coordinated.HeadFinal = &final
	return in
}

// What explains a standing head takes its place, and what it explains is folded under it.
func TestAStandingHeadAndItsCauses(t *testing.T) {
	none := uint64(0)
	for name, tc := range map[string]struct {
		fault func(in *Input, n int)
		want  map[string]string // finding: what explains it
	}{
		"nothing else": {func(*Input, int) {}, map[string]string{"network_stalled": "", "sawtooth": "network_stalled", "duties_at_risk": "network_stalled"}},
		"the beacon node says that it syncs": {func(in *Input, n int) { in.Coordinated.BeaconSyncing = n > 63 },
			map[string]string{"network_stalled": "", "duties_at_risk": "network_stalled"}},
		"no peers": {func(in *Input, n int) { in.Beacon.Peers = &none }, map[string]string{"beacon_without_peers": "", "duties_at_risk": "beacon_without_peers"}},
		"gwat lacks what the head finalizes": {func(in *Input, n int) { *in.Coordinated.HeadFinal = n <= 60 },
			map[string]string{"beacon_silent": "", "network_stalled": "beacon_silent", "sawtooth": "beacon_silent", "duties_at_risk": "beacon_silent"}},
		"gwat is away": {func(in *Input, n int) {
			if n > 60 {
				in.Gwat = Gwat{Node: Node{Reach: Down, Error: "refused"}}
			}
		}, map[string]string{"gwat_unreachable": "", "sawtooth": "gwat_unreachable", "duties_at_risk": "gwat_unreachable"}},
	} {
		engine := NewCoordinated(time.Second)
		for n := range 60 + 80*3 {
			in := stalled(n)
			tc.fault(&in, n)
			engine.Observe(in)
		}
		got := map[string]string{}
		for _, f := range engine.Findings() {
			got[f.Name] = f.ExplainedBy
		}
		require.Equal(t, tc.want, got, name)
	}
}

// A beacon node that cannot call gwat processes no blocks: its head has the time of a resync
// after gwat's outage before the network counts as stalled.
func TestAHeadThatStandsAfterAnOutageOfGwat(t *testing.T) {
	const outage, back = 60, 60 + 80*3
	engine := NewCoordinated(time.Second)
	for n := range back + 80*3 {
		in := stalled(n)
		if n > outage && n <= back {
			in.Gwat = Gwat{Node: Node{Reach: Down, Error: "refused"}}
		}
		told := slices.Contains(names(engine.Observe(in).Findings), "network_stalled")
		if n < back+72*3 {
			require.False(t, told, "poll %d", n)
		}
		if n > back+74*3 {
			require.True(t, told, "poll %d", n)
		}
	}
}

// A syncd that starts in front of a head that has long stood says so at once.
func TestAHeadThatStoodBeforeTheStart(t *testing.T) {
	engine := NewCoordinated(time.Second)
	for n := range 20 {
		in := stalled(n + 60 + 80*3)
		in.Elapsed = time.Duration(n) * time.Second
		told := slices.Contains(names(engine.Observe(in).Findings), "network_stalled")
		require.Equal(t, n >= UnmovedSlots*3+1, told, "poll %d", n)
	}
}

// The first blocks of an epoch may be missed: the head is still of the epoch before, and so is
// what it justifies.
func TestAnEpochThatBeginsWithoutABlockIsNoFork(t *testing.T) {
	engine := NewCoordinated(time.Second)
	for n := range 120 {
		in := coordinatedSteady(n)
		if first := liveSpec.StartSlot(liveSpec.Epoch(in.Beacon.Clock)); in.Beacon.Clock < first+2 {
			in.Beacon.Head, in.Beacon.Justified = first-1, liveSpec.Epoch(first-1)-2
		}
		require.NotContains(t, names(engine.Observe(in).Findings), "private_fork", "poll %d", n)
	}
}
