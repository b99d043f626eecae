package pair

import (
	"context"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/poll"
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
		obs := p.observer.Poll(ctx, q)
		select {
		case p.looks <- obs:
		case <-p.stopped:
		}
	})
}

func (p *Pair) question() poll.Question {
	stage := p.machine.Stage()
	q := poll.Question{
		Identity:   p.identity == nil || stage == fsm.Halted || p.cfg.Now().Sub(p.identityAt) > poll.SlowEvery*p.cfg.PollInterval,
		Identified: p.identity != nil,
		Calls:      stage == fsm.Switching || stage == fsm.Working,
		Within:     p.cfg.CallTimeout,
	}
	if stage == fsm.Working && p.track.Fails > 0 {
		q.Within -= min(max(p.obs.Took(), 0), q.Within/2) // both looks together take no longer than one may (S5)
	}
	if p.missing != nil {
		q.Spines = append(q.Spines, p.missing.spine)
	}
	if pending := p.ledger.Pending(); pending != nil {
		q.Spines = append(q.Spines, pending.LastSpine)
	}
	if confirmed := p.ledger.Confirmed(); confirmed != nil {
		q.Spines = append(q.Spines, confirmed.Spine)
	}
	q.Spines = append(q.Spines, p.absorbedSpines()...)
	return q
}

// looked takes a look in and lets fsm decide.
func (p *Pair) looked(ctx context.Context, o *poll.Observation) {
	p.looking = false
	previous := p.obs
	p.obs = o
	p.track.Observe(o)
	if o.Identity != nil {
		p.identified(o)
		p.ledger.Retry(p.journalNetwork())
	}
	if p.human != nil && o.At.After(p.human.until) {
		p.human = nil
	}
	if o.Gwat.Err == nil || o.Gwat.Sync.Stage == gwatclient.StageHead {
		p.watchRival(o, previous) // a look that failed later on may have shown a sign, too
	}
	if o.Gwat.Err == nil {
		if p.completed.refuted(o) {
			p.completed = nil
		}
		p.resolvePending()
	}
	if o.Gwat.Err == nil {
		p.proveAbsorbed(o)
	}
	p.countCalls()
	p.verify(o)
	p.judgeLook(o, previous)
	p.settle(ctx)
	if o.Up() {
		p.proveConfirmed(o)
	}
	if p.lookAgain || p.machine.Stage() == fsm.Working && p.track.Fails > 0 {
		p.look(ctx)
	}
}

func (p *Pair) identified(o *poll.Observation) {
	fresh := p.identity == nil
	if p.spec != nil && *p.spec != o.Identity.Spec {
		p.collector = nil // of another network, which may be long gone
	}
	p.identity, p.identityAt = o.Identity, o.At
	p.spec = &o.Identity.Spec
	if p.collector == nil {
		p.collector = headsync.NewCollector(p.beacon, p.identity.Spec)
	}
	if fresh && p.identity.Conflict() == "" {
		p.ledger.SetNetwork(p.journalNetwork())
	}
}

// watchRival compares what is seen with what calls of ours can explain. A look
// spans some time, so a call that ended after the look before began counts too.
func (p *Pair) watchRival(o, previous *poll.Observation) {
	since := o.Start
	if previous != nil {
		since = previous.Start
	}
	s := headsync.Sample{
		At: o.At, Stage: o.Gwat.Sync.Stage, Number: p.track.Number,
		Ours:      p.ledger.Busy(since),
		Restarted: previous == nil || previous.Gwat.Err != nil,
	}
	before, _, _ := p.rival.Told()
	p.rival.Observe(s)
	if sign, _, _ := p.rival.Told(); sign != "" && before == "" {
		p.log.WithField("sign", sign).Warn("Something else drives gwat; syncd watches")
	}
}

// verify has the verifier judge the look.
func (p *Pair) verify(o *poll.Observation) {
	stage := p.machine.Stage()
	if (stage != fsm.Switching && stage != fsm.Working) || !o.Up() || !o.Calls {
		return
	}
	if stage == fsm.Working && !o.Answered() && p.oneBadAnswer(o) {
		return
	}
	if stage == fsm.Switching && o.Start.Before(p.since) {
		return // it shows what was before the switch
	}
	head := o.Beacon.Head
	look := headsync.Look{At: o.At, Clock: p.identity.Spec.SlotAt(o.At), Sync: o.Gwat.Sync, CallsErr: o.CallsErr}
	look.Head.Info = checkpoint.ConsensusInfo{Slot: head.Header.Slot, Finalizing: head.Spines}
	for _, s := range head.Spines {
		look.States = append(look.States, o.State(s))
		look.Heights = append(look.Heights, o.Height(s))
	}
	p.verdict = p.verifier.Observe(look)
	p.track.Covered = max(p.track.Covered, p.verifier.Covered())
}

// journalNetwork is the network as the journal keeps it; the identity is known.
func (p *Pair) journalNetwork() journal.Network {
	return journal.Network{ChainID: p.identity.Spec.DepositChainID, GenesisTime: p.identity.Spec.GenesisTime}
}
