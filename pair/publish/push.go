package publish

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// Push follows the running or last push of a pair. The zero value is ready for use.
type Push struct {
	shown *status.Push
	last  *status.Push        // that ended well
	index map[common.Hash]int // how many entries are done once this spine is final
	meter meter
}

// Report takes a report of the running attempt in.
func (p *Push) Report(r headsync.Report, now time.Time) {
	if p.shown == nil || r.Phase == headsync.PhaseCollecting && p.shown.Phase != string(r.Phase) {
		p.shown = &status.Push{Started: now}
		p.meter.reset()
		p.index = nil
	}
	p.shown.Phase, p.shown.From, p.shown.To = string(r.Phase), r.From, r.To
	done := uint64(r.Done)
	if p.shown.Progress.Target == uint64(r.Total) {
		done = max(done, p.shown.Progress.Current) // gwat was seen to be past the segment's begin
	}
	p.shown.Progress = *p.meter.progress(unitEntry, done, uint64(r.Total), now)
	if !r.Accepted {
		return
	}
	p.index = map[common.Hash]int{}
	for i, e := range r.Push {
		if spine, ok := e.Info.LastSpine(); ok {
			p.index[spine] = min(r.Done+i+1, r.Total)
		}
	}
}

// Observe takes the newest poll in: while gwat works on a push, its last finalized block
// shows how far it is. The same poll may be taken in again.
func (p *Push) Observe(o *poll.Observation) {
	if p.shown == nil || p.shown.Phase != string(headsync.PhasePushing) || o == nil || o.Gwat.Latest == nil {
		return
	}
	if i, ok := p.index[o.Gwat.Latest.Hash]; ok && uint64(i) >= p.shown.Progress.Current {
		p.shown.Progress = *p.meter.progress(unitEntry, uint64(i), p.shown.Progress.Target, o.At)
	}
}

// Skip ends an attempt that had nothing to push: the last push is shown again.
func (p *Push) Skip() { p.shown = p.last }

// Done ends a push of so many entries that went well.
func (p *Push) Done(entries int) {
	p.shown.Phase = string(headsync.PhaseDone)
	p.shown.Progress.Current, p.shown.Progress.Target = uint64(entries), uint64(entries)
	p.last = p.shown
}

// Fail ends a push that failed.
func (p *Push) Fail() {
	if p.shown != nil {
		p.shown.Phase = string(headsync.PhaseFailed)
	}
}

// Collecting reports whether the attempt still reads the beacon's blocks.
func (p *Push) Collecting() bool {
	return p.shown != nil && (p.shown.Phase == string(headsync.PhaseCollecting) || p.shown.Phase == string(headsync.PhaseProving))
}

// Status returns the push as it is shown; nil before the first.
func (p *Push) Status() *status.Push {
	if p.shown == nil {
		return nil
	}
	out := *p.shown
	return &out
}
