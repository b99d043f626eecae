package pair

import (
	"context"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
)

// polls is what the polls of both nodes have shown.
type polls struct {
	poller  *poll.Poller
	running bool
	began   time.Time // the newest poll
	again   bool      // another one follows it at once

	last    *poll.Observation // nil before the first
	history poll.History

	identity   *checkpoint.Identity // nil until both nodes have said who they are
	identityAt time.Time
	spec       *checkpoint.Spec // of the identity last known
	moved      bool             // the newest poll saw another network than the one before
}

// poll starts a poll of both nodes, or has one follow the one that runs.
func (p *Pair) poll(ctx context.Context) {
	if p.polls.running {
		p.polls.again = true
		return
	}
	p.polls.running, p.polls.again, p.polls.began = true, false, p.cfg.Now()
	q := p.question()
	p.box.senders.Go(func() {
		obs := p.polls.poller.Poll(ctx, q)
		select {
		case p.box.polls <- obs:
		case <-p.box.stopped:
		}
	})
}

// question returns what the next poll reads in addition to what every poll reads.
func (p *Pair) question() poll.Question {
	stage := p.machine.Stage()
	q := poll.Question{
		Identity:   p.polls.identity == nil || stage == fsm.Halted || p.cfg.Now().Sub(p.polls.identityAt) > poll.SlowEvery*p.cfg.PollInterval,
		Identified: p.polls.identity != nil,
		Calls:      stage == fsm.Switching || stage == fsm.Working,
		Within:     p.cfg.CallTimeout,
		Again:      p.cfg.PollInterval,
	}
	if stage == fsm.Working && p.polls.history.Fails > 0 {
		q.Within -= min(max(p.polls.last.Took(), 0), q.Within/2) // both polls together take no longer than one may (S5)
	}
	if p.job.missing != nil {
		q.Spines = append(q.Spines, p.job.missing.spine)
	}
	if pending := p.ledger.Pending(); pending != nil {
		q.Spines = append(q.Spines, pending.LastSpine)
	}
	if confirmed := p.ledger.Confirmed(); confirmed != nil {
		q.Spines = append(q.Spines, confirmed.Spine)
	}
	if q.Calls && p.proof.verifier != nil {
		if spine, waits := p.proof.verifier.Waiting(); waits {
			q.Spines = append(q.Spines, spine)
		}
	}
	q.Spines = append(q.Spines, p.absorbedSpines()...)
	q.Spines = append(q.Spines, p.listedSpines()...)
	return q
}

// polled evaluates a poll: the nodes, a competing driver, our own calls, the proof of work and
// the pair's health, in this order. Then fsm decides.
func (p *Pair) polled(ctx context.Context, o *poll.Observation) {
	p.polls.running = false
	previous := p.polls.last
	p.polls.last = o
	p.polls.history.Observe(o)
	p.polls.moved = false
	if o.Identity != nil {
		p.identified(o)
		if p.polls.moved && p.machine.Stage() != fsm.Connecting {
			p.settle(ctx) // what is known of the old network says nothing about this poll
			p.poll(ctx)
			return
		}
	}
	p.ledger.Retry()
	if p.job.human != nil && o.At.After(p.job.human.until) {
		p.job.human = nil
	}
	if o.Gwat.Err == nil || o.Gwat.Sync.Activity == protocol.Prepared {
		p.watchCompeting(o, previous) // a poll that failed later on may have shown a sign, too
	}
	if o.Gwat.Err == nil {
		if p.proof.completed.refuted(o) {
			p.proof.completed = nil
		}
		p.resolvePending()
	}
	if o.Gwat.Err == nil {
		p.proveAbsorbed(o)
	}
	p.compareList(o)
	p.countCalls()
	p.verify(o)
	p.evaluateHealth(o, previous)
	p.settle(ctx)
	if o.Up() {
		p.proveConfirmed(o)
	}
	if p.polls.again || p.machine.Stage() == fsm.Working && p.polls.history.Fails > 0 {
		p.poll(ctx)
	}
}

// identified records which network and which nodes the poll has seen.
func (p *Pair) identified(o *poll.Observation) {
	fresh := p.polls.identity == nil
	if p.polls.spec != nil && *p.polls.spec != o.Identity.Spec {
		p.job.collector = nil // it collected on another network
		p.polls.moved = !journal.NetworkOf(*p.polls.spec).Is(journal.NetworkOf(o.Identity.Spec))
	}
	p.polls.identity, p.polls.identityAt = o.Identity, o.At
	p.polls.spec = &o.Identity.Spec
	if p.job.collector == nil {
		p.job.collector = headsync.NewCollector(p.nodes.beacon, p.polls.identity.Spec)
		p.watchCollected()
	}
	if fresh && p.polls.identity.Conflict() == "" {
		p.ledger.SetNetwork(journal.NetworkOf(p.polls.identity.Spec))
	}
}
