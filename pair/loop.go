package pair

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// stopGrace is how long a call in flight may still take when syncd is stopped:
// an answer that is waited for need not be guessed after the next start.
const stopGrace = 5 * time.Second

// Run drives the pair until ctx ends. It is called once.
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
	in := inbox{ctx.Done(), p.box.polls, p.box.reports, p.box.results, p.box.commands, events, tick.C, attempt.C}
	for {
		switch m := in.next().(type) {
		case stop:
			return nil
		case *poll.Observation:
			p.polled(inner, m)
		case report:
			p.reported(inner, m)
		case result:
			p.ended(inner, m)
		case command:
			p.obey(inner, m)
		case beaconclient.Event:
			if m.Head != nil {
				p.health.events++
			}
			// What changed is read from the node, not from the event; a flood of
			// events wakes no more polls than this.
			if p.cfg.Now().Sub(p.polls.began) >= p.cfg.PollInterval/5 {
				p.poll(inner)
				tick.Reset(p.cfg.PollInterval)
			}
		case ticked:
			p.poll(inner)
		case due:
		}
		p.act(inner)
		if wait := p.job.nextAttempt.Sub(p.cfg.Now()); wait > 0 {
			attempt.Reset(wait)
		}
		p.publish()
	}
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
	p.nodes.gwat.Close()
	p.nodes.beacon.Close()
	p.shown.board.Close()
}

// settle applies transitions until the facts imply none.
func (p *Pair) settle(ctx context.Context) {
	for {
		facts, whole := p.facts()
		if whole {
			p.stage.good = &facts
		}
		ev, why, ok := fsm.Decide(p.machine.Stage(), facts)
		if !ok {
			return
		}
		if !p.fire(ctx, ev, why) {
			return
		}
	}
}

// fire takes a step; a refused one is a defect and is logged as such.
func (p *Pair) fire(ctx context.Context, ev fsm.Event, why string) bool {
	err := p.machine.Fire(ctx, ev, why)
	if err != nil && ctx.Err() == nil {
		p.log.WithError(err).Error("The machine refused an event")
	}
	return err == nil
}

// changed is called by the machine after each step.
func (p *Pair) changed(c fsm.Change) {
	now := p.cfg.Now()
	took := now.Sub(p.stage.since)
	p.stage.since, p.stage.reason = now, c.Reason
	p.shown.metrics.changed(c, took)
	change := status.Change{At: now, From: string(c.From), To: string(c.To), Event: string(c.Event), Reason: c.Reason}
	p.log.WithFields(logrus.Fields{"stage": c.To, "from": c.From, "event": c.Event, "after": took.Round(time.Millisecond)}).
		Infof("Stage %s: %s", c.To, c.Reason)
	p.entered(c)
	p.publish() // before the disk: who asks must not see "working" while it is slow
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
		p.countCallsAnew()
	case fsm.Working:
		p.shown.lastErr, p.proof.completed, p.proof.completions = nil, nil, 0
	}
}
