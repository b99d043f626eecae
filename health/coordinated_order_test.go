package health

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
)

// part is a piece of a recording, in seconds after genesis.
type part struct{ from, to float64 }

// inOrder makes a recording of parts of one, in any order. Slots, epochs and numbers go on from part to
// part. It returns by how many seconds each part was moved.
func inOrder(r *recording, parts []part) (moved []float64) {
	genesis, seconds, slots := float64(r.spec.GenesisTime), float64(r.spec.SecondsPerSlot), float64(r.spec.SlotsPerEpoch)
	next, number, out := parts[0].from, int64(0), []livePoll(nil)
	for _, one := range parts {
		epochs := int64(0) // whole ones, so that a slot keeps its place in its epoch
		for one.from+float64(epochs)*slots*seconds < next {
			epochs++
		}
		for one.from+float64(epochs-1)*slots*seconds >= next {
			epochs--
		}
		by, first := float64(epochs)*slots*seconds, int64(-1)
		for _, p := range r.polls {
			if at := p.At - genesis; at < one.from || at >= one.to {
				continue
			}
			p.At += by
			p.Head += primitives.Slot(epochs * int64(slots))
			p.Slot += primitives.Slot(epochs * int64(slots))
			p.Justified += primitives.Epoch(epochs)
			if p.State != nil {
				s := *p.State
				s.Epoch += primitives.Epoch(epochs)
				p.State = &s
			}
			if p.Number != nil {
				if first < 0 {
					first = int64(*p.Number)
				}
				n := uint64(max(int64(*p.Number)-first+number, 0))
				p.Number = &n
			}
			out = append(out, p)
		}
		if last := out[len(out)-1].Number; last != nil {
			number = int64(*last) + 1
		}
		moved, next = append(moved, by), one.to+by
	}
	r.polls = out
	return moved
}

// Incidents in another order than the recorded one, with a time without polls between them, are reported as recorded.
func TestIncidentsInAnotherOrder(t *testing.T) {
	for _, tc := range []struct {
		pair  int
		parts []part
	}{
		{3, []part{{196, 292}, {110, 196}}},
		{3, []part{{110, 196}, {1142, 1416}, {196, 292}}},
		{3, []part{{1142, 1416}, {196, 292}, {110, 196}}},
		{3, []part{{196, 292}, {750, 1030}, {110, 196}}},
		{3, []part{{110, 196}, {250, 726}, {110, 196}}},
		{4, []part{{812, 1000}, {700, 812}}},
		{4, []part{{700, 812}, {812, 1000}, {812, 1000}, {700, 812}}},
	} {
		r := recordingOf(t, tc.pair)
		moved, held := inOrder(r, tc.parts), 0
		changes := r.replay(t)
		for n, one := range tc.parts {
			within := func(from, to float64) bool { return from >= one.from && to <= one.to }
			var here []change
			for _, c := range changes {
				if c.at -= moved[n]; c.at >= one.from && c.at < one.to {
					here = append(here, c)
				}
			}
			for _, i := range recordedIncidents {
				if i.pair == tc.pair && within(i.from, i.to+i.gone) {
					held++
					told, gone := stands(here, i)
					require.LessOrEqual(t, told, i.from+i.told, "%s: %s told: %v, %v", i.id, i.finding, tc.parts, here)
					require.LessOrEqual(t, gone, i.to+i.gone, "%s: %s gone: %v, %v", i.id, i.finding, tc.parts, here)
				}
			}
			// What the part before has left open may go in the first polls of the next.
			requireExpected(t, tc.pair, variant{late: 1}, slices.DeleteFunc(here, func(c change) bool { return c.what[0] == '-' && c.at < one.from+10 }))
		}
		require.GreaterOrEqual(t, held, len(tc.parts), "each part has an incident: %v", tc.parts)
	}
}

// gaps takes times of up to so many seconds without a poll out of a recording.
func gaps(seconds float64, seed uint64) func(*recording) {
	return func(r *recording) {
		random, until := rand.New(rand.NewPCG(seed, 3)), 0.0
		r.polls = slices.DeleteFunc(r.polls, func(p livePoll) bool {
			if p.At >= until && random.Float64() < 0.01 {
				until = p.At + seconds*random.Float64()
			}
			return p.At < until
		})
	}
}
