package pair

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/pair/sentlist"
)

// beaconList is the list of the beacon node's own dag_headSync, which the gate answered.
type beaconList struct {
	collected sentlist.Collected
	running   *sentlist.List    // nil when nothing is compared
	summary   *sentlist.Summary // of the newest list; nil before the first
}

// watchCollected has a new collector's entries kept for the comparison.
func (p *Pair) watchCollected() {
	if p.cfg.Gate == nil {
		return
	}
	list := &p.gate.list
	list.collected.Forget()
	p.job.collector.Collected = func(e headsync.Entry) { list.collected.Add(e.Root, e.Parent, e.Info) }
}

// listedSpines returns the spines of the list that gwat is asked about next: once the pair
// is level, a few at each poll.
func (p *Pair) listedSpines() []common.Hash {
	stage := p.machine.Stage()
	if p.gate.list.running == nil || stage != fsm.Switching && stage != fsm.Working {
		return nil
	}
	return p.gate.list.running.Question()
}

// compareList takes in what a poll shows of the list, and a new list.
func (p *Pair) compareList(o *poll.Observation) {
	if p.cfg.Gate == nil {
		return
	}
	l := &p.gate.list
	if sent := p.cfg.Gate.TakeSent(); sent != nil {
		p.log.WithField("entries", sent.Total).Info("The gate answered the beacon node's own dag_headSync; its list is compared")
		l.running = sentlist.New(sent.Entries, sent.Total, sent.Malformed)
		if sent.Truncated {
			p.log.WithField("entries", len(sent.Entries)).Warn("The beacon node's list is too long: only its beginning is compared")
		}
	} else if l.running != nil && o.Gwat.Err == nil {
		l.running.Answer(o.State)
	}
	if l.running == nil {
		return
	}
	if o.Beacon.Err == nil {
		for _, point := range o.Beacon.Points {
			l.running.Justify(&l.collected, point.Header.Root, point.Header.Slot)
		}
	}
	summary := l.running.Summary()
	l.summary = &summary
	if l.running.Done() {
		p.log.WithField("entries", summary.Rest).Info("The beacon node's list is compared to its end")
		l.running = nil
	}
}

// listHealth returns the comparison in the words of health; nil before the first list.
func (p *Pair) listHealth() *health.List {
	s := p.gate.list.summary
	if s == nil {
		return nil
	}
	return &health.List{
		Entries: s.Entries, Malformed: s.Malformed, Compared: s.Rest, Differs: s.Differs, First: s.First,
		Finalized: s.Read, Missing: s.Behind, MissingAt: s.BehindAt,
	}
}
