package publish

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// Push follows the running or last push of a pair: one count for each attempt. The zero
// value is ready for use.
type Push struct {
	shown    *status.Push
	last     *status.Push        // that ended well
	begun    bool                // an attempt has begun that has not reported yet
	accepted time.Time           // the newest ready, by the clock that never jumps
	index    map[common.Hash]int // how many entries are done once this spine is final
	meter    meter
}

// Begin begins the push of a new attempt; it is shown from its first report on.
func (p *Push) Begin() { p.begun = true }

// Report takes a report of the running attempt in, which came at the time now; steady is
// the same by the clock that never jumps.
func (p *Push) Report(r headsync.Report, now, steady time.Time) {
	if p.begun || p.shown == nil {
		p.begun = false
		p.shown = &status.Push{Started: now}
		p.meter.reset()
		p.index = nil
	}
	p.shown.Phase, p.shown.To = string(r.Phase), r.To
	if p.index == nil {
		p.shown.From = r.From // where the first batch begins
	}
	done := max(uint64(r.Done), p.shown.Progress.Current) // gwat may have been seen to be past the batch's begin
	p.shown.Progress = *p.meter.progress(unitEntry, done, uint64(r.Total), now)
	if !r.Accepted {
		return
	}
	p.accepted = steady
	p.index = map[common.Hash]int{}
	for i, e := range r.Push {
		if spine, ok := e.Info.LastSpine(); ok {
			p.index[spine] = min(r.Done+i+1, r.Total)
		}
	}
}

// Observe takes the newest poll in: while gwat works on a push, its last finalized block
// shows how far it is. A poll that began before gwat was ready may show what the ready has
// rolled back: it does not count. The last entry counts as done when gwat has answered. The
// same poll may be taken in again.
func (p *Push) Observe(o *poll.Observation) {
	if p.shown == nil || p.shown.Phase != string(headsync.PhasePushing) || o == nil || o.Gwat.Latest == nil || !o.Began.After(p.accepted) {
		return
	}
	shown := &p.shown.Progress
	i, ok := p.index[o.Gwat.Latest.Hash]
	if done := min(uint64(i), shown.Target-1); ok && done >= shown.Current {
		*shown = *p.meter.progress(unitEntry, done, shown.Target, o.At)
	}
}

// Skip ends an attempt that had nothing to push: the last push is shown again.
func (p *Push) Skip() { p.shown = p.last }

// Done ends a push of so many entries that went well.
func (p *Push) Done(entries int) {
	p.shown.Phase = string(headsync.PhaseDone)
	p.shown.Progress.Current, p.shown.Progress.Target = uint64(entries), uint64(entries)
	p.ends()
	p.last = p.shown
}

// Fail ends a push that failed.
func (p *Push) Fail() {
	if p.shown != nil {
		p.shown.Phase = string(headsync.PhaseFailed)
		p.ends()
	}
}

// ends leaves out what is true of a running push alone.
func (p *Push) ends() { p.shown.Progress.Rate, p.shown.Progress.ETA = 0, nil }

// Collecting reports whether the attempt still reads the beacon's blocks.
func (p *Push) Collecting() bool {
	return p.shown != nil && (p.shown.Phase == string(headsync.PhaseCollecting) || p.shown.Phase == string(headsync.PhaseProving))
}

// Status returns the push as it is shown at a time; nil before the first. An estimate
// whose time has passed is left out.
func (p *Push) Status(now time.Time) *status.Push {
	if p.shown == nil {
		return nil
	}
	out := *p.shown
	if eta := out.Progress.ETA; eta != nil && eta.Before(now) {
		out.Progress.ETA = nil
	}
	return &out
}
