package pair

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/orders"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// stopGrace is how long a call in flight may still take when syncd is stopped:
// an answer that is waited for need not be guessed after the next start.
const stopGrace = 5 * time.Second

// Run drives the pair until ctx ends. It is called once. Each turn of the loop goes the
// same way:
//
//	message   a poll, a report or result of the worker, an order, an event or a timer
//	facts     what it changes of what the loop knows, in the words of fsm
//	Decide    the stage that follows from the facts
//	act       the poll or worker that the stage asks for
//	publish   a snapshot of all that
func (p *Pair) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer p.shutdown(cancel)
	events := p.nodes.beacon.Events(inner, beaconclient.StreamOptions{})
	tick := time.NewTicker(p.cfg.PollInterval)
	defer tick.Stop()
	attempt := time.NewTimer(0)
	defer attempt.Stop()
	p.settle(inner) // a pause may be in force
	p.poll(inner)
	in := inbox{ctx.Done(), p.box.polls, p.box.reports, p.box.results, p.box.orders.C(), events, tick.C, attempt.C}
	for {
		p.stage.known = false
		switch m := in.next().(type) {
		case stop:
			return nil
		case *poll.Observation: // both nodes were read: decide by what they are now
			if p.outdated(m) {
				p.polls.running = false
				p.poll(inner)
				continue
			}
			p.polled(inner, m)
		case report: // the attempt goes on: gwat may have accepted our ready
			p.reported(inner, m)
		case result: // the worker has returned: its place is free
			p.ended(inner, m)
		case orders.Order: // an operator's order: it is carried out before it is answered
			p.obey(inner, m)
		case beaconclient.Event: // something changed: the next poll reads what it is
			if m.Head != nil {
				p.health.events++
			}
			if p.cfg.Now().Sub(p.polls.began) >= p.cfg.PollInterval/5 { // a flood of events starts no more polls than this
				p.poll(inner)
				tick.Reset(p.cfg.PollInterval)
			}
		case ticked: // a poll is due
			p.poll(inner)
		case due: // an attempt is due: act begins it
		}
		p.act(inner)
		if wait := p.job.nextAttempt.Sub(p.cfg.Now()); wait > 0 {
			attempt.Reset(wait)
		}
		if !p.stage.known {
			p.know()
		}
		if !p.overslept() {
			p.publish()
		}
	}
}

// overslept reports whether a working pair was not polled for longer than a poll may take:
// syncd was stopped, or waited for its disk. What it knows is too old to be published as the
// state of now; the poll that runs decides.
func (p *Pair) overslept() bool {
	o := p.polls.last
	return o != nil && p.polls.running && p.machine.Stage() == fsm.Working &&
		time.Since(o.Done) > p.cfg.CallTimeout+2*p.cfg.PollInterval
}

// outdated reports whether a poll that shows work ended before syncd was stopped, or waited for
// its disk: what it shows would be published as of now. What shows no work counts however old.
func (p *Pair) outdated(o *poll.Observation) bool {
	stage := p.machine.Stage()
	return (stage == fsm.Switching || stage == fsm.Working) && o.Answered() && !o.Gwat.Sync.Syncing && time.Since(o.Done) > poll.MaxAge
}

// shutdown ends what the loop owns: a call in flight gets a short grace.
func (p *Pair) shutdown(cancel context.CancelFunc) {
	p.writes.guard.Set("syncd is stopping")
	close(p.box.stopped)
	if p.job.worker != nil {
		select {
		case <-p.job.worker.done:
		case <-time.After(stopGrace):
		}
	}
	cancel()
	p.box.senders.Wait()
	p.polls.poller.Wait()
	p.nodes.gwat.Close()
	p.nodes.beacon.Close()
	p.shown.board.Close()
}

// know computes the facts of this turn. That is done once, and once more when the stage
// has changed, since entering a stage changes what is known.
func (p *Pair) know() {
	facts, whole := p.facts()
	if whole {
		p.stage.good = &facts
	}
	p.stage.facts, p.stage.known = facts, true
}

// settle applies transitions until the facts imply none.
func (p *Pair) settle(ctx context.Context) {
	p.know()
	for {
		ev, why, ok := fsm.Decide(p.machine.Stage(), p.stage.facts)
		if !ok || !p.fire(ctx, ev, why) {
			return
		}
	}
}

// fire makes a transition; a refused one is a defect and is logged as such.
func (p *Pair) fire(ctx context.Context, ev fsm.Event, why string) bool {
	err := p.machine.Fire(ctx, ev, why)
	if err != nil && ctx.Err() == nil {
		p.log.WithError(err).Error("The machine refused an event")
	}
	return err == nil
}

// changed is called by the machine after each transition.
func (p *Pair) changed(c fsm.Change) {
	now := p.cfg.Now()
	took := now.Sub(p.stage.since)
	p.stage.since, p.stage.reason = now, c.Reason
	p.shown.metrics.Changed(c, took)
	change := status.Change{At: now, From: string(c.From), To: string(c.To), Event: string(c.Event), Reason: c.Reason}
	p.log.WithFields(logrus.Fields{"stage": c.To, "from": c.From, "event": c.Event, "after": took.Round(time.Millisecond)}).
		Infof("Stage %s: %s", c.To, c.Reason)
	p.entered(c)
	p.know()
	p.publish() // before the write: a client must not see "working" while a slow disk is waited for
	p.shown.board.Changed(change)
	p.ledger.AppendChange(journal.Change(change))
}

// entered prepares what belongs to a stage.
func (p *Pair) entered(c fsm.Change) {
	if c.To != fsm.HeadSyncReady && c.To != fsm.HeadSync && c.To != fsm.Switching || c.From == fsm.DAGSync {
		p.cancelWorker()
	}
	if c.To == fsm.Connecting || c.To == fsm.Paused || c.To == fsm.Working {
		p.health.failed = 0
	}
	switch c.To {
	case fsm.Connecting:
		p.polls.identity, p.stage.good = nil, nil
		p.shown.meters.Reset()
	case fsm.HeadSyncReady:
		p.job.missing = nil
	case fsm.Switching:
		// A head that the attempt has read is not new any more.
		head := max(p.polls.last.Beacon.Head.Header.Slot, p.proof.reached)
		p.proof.verifier = headsync.NewVerifier(p.cfg.Now(), p.polls.identity.Spec.SlotDuration(), head, p.verifyFrom(c.From), p.proof.ours)
		if p.proof.completed != nil {
			p.proof.verifier.Doubt()
		}
		p.proof.verdict = headsync.Verdict{Why: "two new heads"}
		p.polls.history.Covered = head
		p.resetCalls()
	case fsm.Working:
		p.shown.lastErr, p.proof.completed, p.proof.completions = nil, nil, 0
	}
}
