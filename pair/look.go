package pair

import (
	"context"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
)

// look starts a look at both nodes, or has one follow the one that runs.
func (p *Pair) look(ctx context.Context) {
	if p.looking {
		p.lookAgain = true
		return
	}
	p.looking, p.lookAgain, p.lookStart = true, false, p.cfg.Now()
	q := p.question()
	p.workers.Go(func() {
		obs := p.observer.look(ctx, q)
		select {
		case p.looks <- obs:
		case <-p.stopped:
		}
	})
}

func (p *Pair) question() question {
	stage := p.machine.Stage()
	q := question{
		identity:   p.identity == nil || stage == fsm.Halted || p.cfg.Now().Sub(p.identityAt) > slowEvery*p.cfg.PollInterval,
		identified: p.identity != nil,
		calls:      stage == fsm.Switching || stage == fsm.Working,
		within:     p.cfg.CallTimeout,
	}
	if stage == fsm.Working && p.track.fails > 0 {
		q.within -= min(max(p.obs.took(), 0), q.within/2) // both looks together take no longer than one may (S5)
	}
	if p.missing != nil {
		q.spines = append(q.spines, p.missing.spine)
	}
	if pending := p.ledger.Pending(); pending != nil {
		q.spines = append(q.spines, pending.LastSpine)
	}
	if confirmed := p.ledger.Confirmed(); confirmed != nil {
		q.spines = append(q.spines, confirmed.Spine)
	}
	q.spines = append(q.spines, p.absorbedSpines()...)
	return q
}

// looked takes a look in and lets fsm decide.
func (p *Pair) looked(ctx context.Context, o *observation) {
	p.looking = false
	previous := p.obs
	p.obs = o
	p.track.observe(o)
	if o.identity != nil {
		p.identified(o)
		p.ledger.Retry(p.journalNetwork())
	}
	if p.human != nil && o.at.After(p.human.until) {
		p.human = nil
	}
	if o.gwat.err == nil || o.gwat.sync.Stage == gwatclient.StageHead {
		p.watchRival(o, previous) // a look that failed later on may have shown a sign, too
	}
	if o.gwat.err == nil {
		if p.completed.refuted(o) {
			p.completed = nil
		}
		p.resolvePending()
	}
	if o.gwat.err == nil {
		p.proveAbsorbed(o)
	}
	p.countCalls()
	p.verify(o)
	p.judgeLook(o, previous)
	p.settle(ctx)
	if o.up() {
		p.proveConfirmed(o)
	}
	if p.lookAgain || p.machine.Stage() == fsm.Working && p.track.fails > 0 {
		p.look(ctx)
	}
}

func (p *Pair) identified(o *observation) {
	fresh := p.identity == nil
	if p.spec != nil && *p.spec != o.identity.Spec {
		p.collector = nil // of another network, which may be long gone
	}
	p.identity, p.identityAt = o.identity, o.at
	p.spec = &o.identity.Spec
	if p.collector == nil {
		p.collector = headsync.NewCollector(p.beacon, p.identity.Spec)
	}
	if fresh && p.identity.Conflict() == "" {
		p.ledger.SetNetwork(p.journalNetwork())
	}
}

// watchRival compares what is seen with what calls of ours can explain. A look
// spans some time, so a call that ended after the look before began counts too.
func (p *Pair) watchRival(o, previous *observation) {
	since := o.start
	if previous != nil {
		since = previous.start
	}
	s := headsync.Sample{
		At: o.at, Stage: o.gwat.sync.Stage, Number: p.track.number,
		Ours:      p.ledger.Busy(since),
		Restarted: previous == nil || previous.gwat.err != nil,
	}
	before, _, _ := p.rival.Told()
	p.rival.Observe(s)
	if sign, _, _ := p.rival.Told(); sign != "" && before == "" {
		p.log.WithField("sign", sign).Warn("Something else drives gwat; syncd watches")
	}
}

// verify has the verifier judge the look.
func (p *Pair) verify(o *observation) {
	stage := p.machine.Stage()
	if (stage != fsm.Switching && stage != fsm.Working) || !o.up() || !o.calls {
		return
	}
	if stage == fsm.Working && !o.answered() && p.oneBadAnswer(o) {
		return
	}
	if stage == fsm.Switching && o.start.Before(p.since) {
		return // it shows what was before the switch
	}
	head := o.beacon.head
	look := headsync.Look{At: o.at, Clock: p.identity.Spec.SlotAt(o.at), Sync: o.gwat.sync, CallsErr: o.callsErr}
	look.Head.Info = checkpoint.ConsensusInfo{Slot: head.header.Slot, Finalizing: head.spines}
	for _, s := range head.spines {
		look.States = append(look.States, o.state(s))
		look.Heights = append(look.Heights, o.height(s))
	}
	p.verdict = p.verifier.Observe(look)
	p.track.covered = max(p.track.covered, p.verifier.Covered())
}
