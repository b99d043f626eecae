package pair

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
)

// writes is whether syncd may change gwat (S6).
type writes struct {
	guard     *guard.Guard
	to        func(guard.Permit) headsync.Driver
	competing headsync.CompetingDriver
	takeover  bool   // a ready that was pending is in force
	inhibit   string // why nothing is sent; "" if something may be
}

// inhibit returns why syncd may not change gwat; "" if it may.
func (p *Pair) inhibit() string {
	if p.cfg.Observe {
		return "syncd only observes (--observe)"
	}
	if p.polls.identity != nil && p.writes.competing.Active() {
		sign, _, last := p.writes.competing.LastSign()
		return fmt.Sprintf("a competing driver, last seen at %s: %s", last.Format(time.TimeOnly), sign)
	}
	// An attempt that runs beside a call that was left open sends nothing, a ready
	// that is to be taken over included: the next attempt does that.
	if left := p.ledger.Left(p.running()); left != nil && (!p.writes.takeover || p.job.worker != nil) {
		_, why := p.pendingState(left)
		return why
	}
	return ""
}

// running returns the number of the attempt that runs; 0 if none does.
func (p *Pair) running() uint64 {
	if p.job.worker == nil {
		return 0
	}
	return p.job.worker.attempt
}

// pendingState returns what became of a call whose answer was lost, by the newest poll.
func (p *Pair) pendingState(pending *checkpoint.Pending) (protocol.Fate, string) {
	seen := protocol.Seen{Now: p.cfg.Now(), LockTime: p.cfg.LockTime, GiveUp: p.cfg.PushTimeout, Down: p.polls.history.GwatDown.After(pending.SentAt)}
	if o := p.polls.last; o != nil && o.Gwat.Err == nil {
		seen.State, seen.Latest, seen.CheckedAt = o.Gwat.Sync, o.Gwat.Latest, o.Start
		seen.Last = o.Blocks[pending.LastSpine]
	}
	return p.nodes.gwat.ClassifyPending(*pending, seen)
}

// resolvePending finds out what became of a call whose answer was lost. Every poll that began
// after the call was sent counts, whether or not an attempt runs: a long attempt takes any
// number of polls, and may send nothing before the call is over.
func (p *Pair) resolvePending() {
	p.writes.takeover = false
	left := p.ledger.Left(p.running())
	if left == nil {
		return
	}
	switch state, why := p.pendingState(left); state {
	case protocol.Over:
		p.log.WithField("call", left.Call).Infof("The call without an answer is over: %s", why)
		p.ledger.ClearPending()
	case protocol.Accepted:
		p.writes.takeover = p.ledger.Takeable() != nil
		if p.writes.takeover && p.running() != 0 {
			p.cancelWorker() // gwat holds its lock meanwhile: the next attempt takes the ready over
		}
	}
}

// proveConfirmed drops the confirmed entry when gwat no longer has it (S4, S7). A
// poll counts if it began after the entry was confirmed and overlaps no call of ours.
func (p *Pair) proveConfirmed(o *poll.Observation) {
	c := p.ledger.Confirmed()
	if c == nil || !o.Start.After(c.At) || p.ledger.Busy(o.Start) {
		return
	}
	b, read := o.Blocks[c.Spine]
	if !read {
		return
	}
	if b == nil || !b.IsSpine() || *b.Number != c.Number {
		p.log.WithField("slot", c.Slot).Warn("gwat no longer has the last confirmed entry")
		p.ledger.ClearConfirmed()
	}
}

// watchCompeting compares what is seen with what calls of ours can explain. A poll
// takes some time, so a call that ended after the poll before began counts too.
func (p *Pair) watchCompeting(o, previous *poll.Observation) {
	since := o.Start
	if previous != nil {
		since = previous.Start
	}
	s := headsync.Sample{
		At: o.At, State: o.Gwat.Sync, Number: p.polls.history.Number,
		Ours:      p.ledger.Busy(since),
		Restarted: previous == nil || previous.Gwat.Err != nil,
	}
	before, _, _ := p.writes.competing.LastSign()
	p.writes.competing.Observe(s)
	if sign, _, _ := p.writes.competing.LastSign(); sign != "" && before == "" {
		p.log.WithField("sign", sign).Warn("Something else drives gwat; syncd watches")
	}
}
