package publish

import (
	"time"

	"github.com/VividCortex/ewma"

	"github.com/gwatsync/syncd/status"
)

// Units of progress.
const (
	unitBlock = "block"
	unitSlot  = "slot"
	unitEntry = "entry"
)

// rateAge is over about how many samples a rate is smoothed.
const rateAge = 10

// sampleEvery is the least time between two samples: polls come in pairs when an
// event wakes one.
const sampleEvery = 500 * time.Millisecond

// meter measures one progress.
type meter struct {
	from, last uint64
	at         time.Time
	current    uint64     // as last shown
	eta        *time.Time // estimated when it last moved
	samples    int
	average    ewma.MovingAverage
}

func (m *meter) reset() { *m = meter{} }

// progress takes a sample, unless the last one is too young. The estimate stays while
// nothing moves, and is left out when its time has passed.
func (m *meter) progress(unit string, current, target uint64, at time.Time) *status.Progress {
	switch {
	case m.average == nil || current < m.last:
		*m = meter{from: current, last: current, at: at, average: ewma.NewMovingAverage(rateAge)}
	case at.Sub(m.at) >= sampleEvery:
		m.sample(float64(current-m.last) / at.Sub(m.at).Seconds())
		m.last, m.at = current, at
	}
	p := &status.Progress{Unit: unit, From: m.from, Current: current, Target: target, Rate: m.average.Value()}
	if m.eta == nil || current != m.current {
		m.eta = estimate(p, at)
	}
	m.current = current
	if target > current && m.eta != nil && !m.eta.Before(at) {
		p.ETA = m.eta
	}
	return p
}

// estimate returns when a progress reaches its target; nil if it shows no pace.
func estimate(p *status.Progress, at time.Time) *time.Time {
	if p.Target <= p.Current || p.Rate <= 0 {
		return nil
	}
	left := float64(p.Target-p.Current) / p.Rate
	if left >= (1000 * time.Hour).Seconds() {
		return nil
	}
	eta := at.Add(time.Duration(left * float64(time.Second)))
	return &eta
}

// sample adds a rate; the first ones are averaged plainly, since the library
// shows nothing before it has ten.
func (m *meter) sample(rate float64) {
	m.samples++
	if m.samples <= rateAge {
		m.average.Set(m.average.Value() + (rate-m.average.Value())/float64(m.samples))
		return
	}
	m.average.Add(rate)
}
