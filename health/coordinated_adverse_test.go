package health

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
)

// lacking drops one answer of some polls: of the calls that name kinds.
func lacking(part float64, seed uint64, kinds ...func(*livePoll)) func(*recording) {
	return func(r *recording) {
		random := rand.New(rand.NewPCG(seed, 7))
		for i := range r.polls {
			if random.Float64() < part {
				kinds[random.IntN(len(kinds))](&r.polls[i])
			}
		}
	}
}

// The answers that a poll may lack.
func noState(p *livePoll)       { p.State = nil }
func noNumber(p *livePoll)      { p.Number = nil }
func noGwatPeers(p *livePoll)   { p.Peers = nil }
func noBeaconPeers(p *livePoll) { p.BeaconPeers = nil }

// noGwat is a poll that gwat did not answer.
func noGwat(p *livePoll) {
	if p.GwatError == "" {
		p.GwatError = "connection reset"
	}
	p.State, p.Number, p.Peers, p.Syncing = nil, nil, nil, false
}

// noBeacon is a poll that the beacon node did not answer.
func noBeacon(p *livePoll) {
	if p.BeaconError == "" {
		p.BeaconError = "connection reset"
	}
}

// never drops an answer from every poll.
func never(what func(*livePoll)) func(*recording) {
	return func(r *recording) {
		for i := range r.polls {
			what(&r.polls[i])
		}
	}
}

// alone undoes the second and later of consecutive polls without an answer, which are an
// outage and not a lost call.
func alone(r, was *recording) {
	for i := 1; i < len(r.polls); i++ {
		lost := func(p, w livePoll) bool { return p.GwatError != w.GwatError || p.BeaconError != w.BeaconError }
		if lost(r.polls[i-1], was.polls[i-1]) {
			r.polls[i] = was.polls[i]
		}
	}
}

// requireIncidents holds a replay to the recorded incidents, at times that may be shifted.
func requireIncidents(t *testing.T, pair int, changes []change, late float64, at func(float64) float64, skip func(recordedIncident) bool) {
	t.Helper()
	for _, i := range recordedIncidents {
		if i.pair != pair || skip(i) {
			continue
		}
		i.from, i.to = at(i.from), at(i.to)
		told, gone := stands(changes, i)
		require.LessOrEqual(t, told, i.from+i.told*late, "%s: %s told: %v", i.id, i.finding, changes)
		require.LessOrEqual(t, gone, i.to+i.gone*late, "%s: %s gone: %v", i.id, i.finding, changes)
	}
}

func same(at float64) float64 { return at }

// A call without an answer is no sign of anything: neither of a restart nor of its end.
func TestRecordingsThatLackAnswers(t *testing.T) {
	for name, kinds := range map[string][]func(*livePoll){
		"the state": {noState}, "the number": {noNumber}, "gwat's peers": {noGwatPeers}, "the beacon's peers": {noBeaconPeers},
		"one of them": {noState, noNumber, noGwatPeers, noBeaconPeers}, "all of gwat": {noGwat}, "all of the beacon node": {noBeacon},
	} {
		for _, part := range []float64{0.1, 0.3, 0.6} {
			if name[:3] == "all" && part > 0.1 {
				continue // more of them in a row are an outage
			}
			for seed := range uint64(3) {
				for _, pair := range []int{1, 3, 4} {
					r := recordingOf(t, pair)
					lacking(part, seed, kinds...)(r)
					alone(r, recordingOf(t, pair))
					changes := r.replay(t)
					late := 1.5 + 3*part
					requireIncidents(t, pair, changes, late, same, func(i recordedIncident) bool { return i.short })
					requireExpected(t, pair, variant{late: late}, changes)
				}
			}
		}
	}
}

// Whenever syncd is started, it reports what lasts within the time of the incident, and
// nothing else. What only its past would show is not asked of it: that a head jumped over an
// epoch, so that a fork is taken for a gwat that follows nothing; and until gwat_wedged, whose
// window begins with syncd, has lasted, a head that lags is a sawtooth.
func TestSyncdStartsAtAnyTime(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*recording)
		late   float64
	}{
		"as recorded":         {func(*recording) {}, 1},
		"over authrpc":        {overAuthRPC, 2},
		"no beacon peers":     {never(noBeaconPeers), 1},
		"answers missing":     {lacking(0.3, 1, noState, noNumber, noGwatPeers, noBeaconPeers), 2.5},
		"24 slots an epoch":   {epochsOf(24, 4), 2},
		"4 s a slot, authrpc": {func(r *recording) { epochsOf(24, 4)(r); overAuthRPC(r) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			for _, pair := range []int{1, 3, 4} {
				whole := recordingOf(t, pair)
				tc.change(whole)
				genesis := float64(whole.spec.GenesisTime)
				for i := 3; i < len(whole.polls)-5; i += 15 {
					r := &recording{spec: whole.spec, every: whole.every, polls: whole.polls[i:]}
					begin := r.polls[0].At - genesis
					changes := r.replay(t)
					requireIncidents(t, pair, changes, tc.late, func(at float64) float64 { return max(at, begin) }, func(i recordedIncident) bool {
						return begin > i.to-i.told*tc.late || begin > i.from && (i.finding == "private_fork" || i.finding == "beacon_hung")
					})
					requireExpected(t, pair, variant{late: tc.late}, slices.DeleteFunc(changes, func(c change) bool {
						fork, wedge := begin > 420 && begin < 484, begin > 494 && begin < 629
						return pair == 3 && (fork && c.what[2:] == "gwat_wedged" && c.at < 490 || wedge && c.what[2:] == "sawtooth" && c.at < 640)
					}))
				}
			}
		})
	}
}

// without takes a calm time out of a recording, so that incidents follow one another.
func without(from, to float64) func(*recording) {
	return func(r *recording) {
		genesis, slots := float64(r.spec.GenesisTime), uint64((to-from)/float64(r.spec.SecondsPerSlot))
		gone, epochs := primitives.Slot(slots), primitives.Epoch((slots+r.spec.SlotsPerEpoch-1)/r.spec.SlotsPerEpoch)
		var out []livePoll
		for _, p := range r.polls {
			at, by := p.At-genesis, float64(slots*r.spec.SecondsPerSlot)
			switch {
			case at < from:
				out = append(out, p)
			case at >= from+by:
				p.At, p.Head, p.Slot, p.Justified = p.At-by, p.Head-min(p.Head, gone), p.Slot-min(p.Slot, gone), p.Justified-min(p.Justified, epochs)
				if p.State != nil {
					s := *p.State
					s.Epoch -= min(s.Epoch, epochs)
					p.State = &s
				}
				out = append(out, p)
			}
		}
		r.polls = out
	}
}

// Incidents that follow one another without a calm time between are told apart.
func TestIncidentsOneAfterAnother(t *testing.T) {
	for _, tc := range []struct {
		pair     int
		from, to float64
	}{
		{3, 193, 229}, {3, 195, 228}, {3, 238, 296}, {3, 242, 295}, {3, 270, 750}, {3, 205, 768}, {3, 140, 288}, {3, 120, 768},
		{4, 576, 786}, {4, 797, 829}, {4, 800, 829},
	} {
		t.Run(fmt.Sprintf("pair %d without %.0f to %.0f s", tc.pair, tc.from, tc.to), func(t *testing.T) {
			r := recordingOf(t, tc.pair)
			without(tc.from, tc.to)(r)
			by := float64(uint64((tc.to-tc.from)/float64(r.spec.SecondsPerSlot)) * r.spec.SecondsPerSlot)
			at := func(at float64) float64 {
				if at >= tc.to-2 {
					return at - by
				}
				return min(at, tc.from)
			}
			changes := r.replay(t)
			requireIncidents(t, tc.pair, changes, 1, at, func(i recordedIncident) bool { return i.to > tc.from && i.from < tc.to-2 })
			for _, c := range changes {
				require.True(t, slices.ContainsFunc(expected, func(e struct {
					pair     int
					from, to float64
					findings []string
				}) bool {
					return e.pair == tc.pair && c.at >= at(e.from) && c.at <= at(e.to)+4 && slices.Contains(e.findings, c.what[2:])
				}), "%.1f s: %s is reported without cause: %v", c.at, c.what, changes)
			}
		})
	}
}
