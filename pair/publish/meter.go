package publish

import (
	"time"

	"github.com/gwatsync/syncd/status"
)

// Units of progress.
const (
	unitBlock = "block"
	unitSlot  = "slot"
	unitEntry = "entry"
)

// rateSamples is over how many steps between samples a rate is measured.
const rateSamples = 20

// sampleEvery is the least time between two samples: polls come in pairs when an
// event wakes one.
const sampleEvery = 500 * time.Millisecond

// meter measures one progress.
type meter struct {
	from    uint64
	samples []sample   // the newest last
	current uint64     // as last shown
	eta     *time.Time // estimated when it last moved
}

// sample is how far a progress was at a time.
type sample struct {
	at      time.Time
	current uint64
}

func (m *meter) reset() { *m = meter{} }

// progress takes a sample, unless the last one is too recent. The estimate stays while
// nothing moves, and is left out when its time has passed.
func (m *meter) progress(unit string, current, target uint64, at time.Time) *status.Progress {
	next := sample{at, current}
	switch n := len(m.samples); {
	case n == 0 || current < m.samples[n-1].current:
		*m = meter{from: current, samples: []sample{next}}
	case at.Sub(m.samples[n-1].at) >= sampleEvery:
		m.samples = append(m.samples[max(0, n-rateSamples):], next)
	}
	p := &status.Progress{Unit: unit, From: m.from, Current: current, Target: target, Rate: m.rate()}
	if m.eta == nil || current != m.current {
		m.eta = estimate(p, at)
	}
	m.current = current
	if target > current && m.eta != nil && !m.eta.Before(at) {
		p.ETA = m.eta
	}
	return p
}

// rate returns the speed a second from the oldest sample to the newest; zero if there is only one.
func (m *meter) rate() float64 {
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	if !last.at.After(first.at) {
		return 0
	}
	return float64(last.current-first.current) / last.at.Sub(first.at).Seconds()
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
