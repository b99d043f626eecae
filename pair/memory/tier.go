package memory

import (
	"cmp"
	"slices"
	"time"

	"github.com/gwatsync/syncd/status"
)

// MostSamples is how many samples a span has at most.
const MostSamples = 1000

// fewSamples is how many a span has about, if no step is asked for.
const fewSamples = 300

// Tier is a part of the past: how densely it is kept, and for how long.
type Tier struct {
	Pace time.Duration
	For  time.Duration
}

func (t Tier) capacity() int { return int(t.For / t.Pace) }

var kept = [...]Tier{
	{Pace: time.Second, For: 15 * time.Minute},
	{Pace: 15 * time.Second, For: 6 * time.Hour},
	{Pace: 5 * time.Minute, For: 14 * 24 * time.Hour},
}

// Tiers returns the tiers, the finest first.
func Tiers() []Tier { return kept[:] }

// ring keeps the newest points of a tier, one for each interval of its pace.
type ring struct {
	points []point
	next   int // the oldest, once the ring is full
}

// at returns a point by its age: 0 is the oldest.
func (r *ring) at(i int) *point { return &r.points[(r.next+i)%len(r.points)] }

func (r *ring) add(p point, tier Tier) {
	pace := tier.Pace.Microseconds()
	if n := len(r.points); n > 0 {
		if newest := r.at(n - 1); interval(newest.at, pace) == interval(p.at, pace) {
			*newest = newest.merge(p)
			return
		}
	}
	if len(r.points) < tier.capacity() {
		r.points = append(r.points, p)
		return
	}
	r.points[r.next] = p
	r.next = (r.next + 1) % len(r.points)
}

// interval returns the number of the interval of a length that a time is in.
func interval(at, length int64) int64 {
	n := at / length
	if at%length < 0 {
		n--
	}
	return n
}

// Span returns the past from one time to another in steps, the newest last, and the
// step: at least the one asked for, and longer where the past is kept less densely or
// the span would have more than MostSamples. Without a step it is chosen. The verdict of
// a sample is the worst of its step; a step of which nothing is known has no sample.
func (m *Memory) Span(from, to time.Time, step time.Duration) ([]status.Sample, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	way := max(to.Sub(from), 0)
	chosen := step <= 0
	if chosen {
		step = way / fewSamples
	}
	step = max(step, (way+MostSamples-2)/(MostSamples-1), kept[0].Pace)
	at := m.tierFor(from, step)
	if pace := kept[at].Pace; chosen || step < pace {
		step = max((step+pace-1)/pace*pace, pace)
	}
	var points []point
	for i := range m.tiers[at].points {
		if p := m.tiers[at].at(i); p.at >= from.UnixMicro() && p.at <= to.UnixMicro() {
			points = append(points, *p)
		}
	}
	slices.SortFunc(points, func(p, q point) int { return cmp.Compare(p.at, q.at) }) // a clock may have been set back
	out := []status.Sample{}
	for i := 0; i < len(points); {
		sum := points[i]
		j := i + 1
		for ; j < len(points) && interval(points[j].at, step.Microseconds()) == interval(sum.at, step.Microseconds()); j++ {
			sum = sum.merge(points[j])
		}
		s := sum.sample()
		s.KnownSeconds, s.WorkingSeconds = float64(sum.known)/1000, float64(sum.working)/1000
		out = append(out, s)
		i = j
	}
	return out, step
}

// tierFor returns the coarsest tier that is as dense as step, or a coarser one if that
// does not reach back to from.
func (m *Memory) tierFor(from time.Time, step time.Duration) int {
	at := 0
	for i, tier := range kept {
		if tier.Pace <= step {
			at = i
		}
	}
	for at < len(kept)-1 && m.last.Sub(from) > kept[at].For {
		at++
	}
	return at
}
