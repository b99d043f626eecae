package pair

import (
	"errors"
	"time"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/protocol"
)

// verdict is what the loop keeps for the findings and the verdict.
type verdict struct {
	engine *health.Engine
	born   time.Time // by the clock that never jumps, as failedFrom
	events uint64    // head events of the beacon's stream

	failed     int // attempts failed in a row
	failedFrom time.Time
	failedWhy  string
}

// evaluateHealth evaluates the newest poll and logs which findings it has changed.
func (p *Pair) evaluateHealth(o, previous *poll.Observation) {
	in := p.healthInput(o, previous)
	if p.cfg.Polled != nil {
		p.cfg.Polled(in)
	}
	p.health.engine.Observe(in).Log(p.log)
}

// healthInput returns a poll, and what syncd knows of itself, as an Input of package health.
func (p *Pair) healthInput(o, previous *poll.Observation) health.Input {
	in := health.Input{
		At: o.At, Elapsed: o.Done.Sub(p.health.born), Stage: p.machine.Stage(), Spec: p.polls.spec,
		Gwat: poll.GwatHealth(o), Beacon: poll.BeaconHealth(o), Events: p.health.events, Journal: p.ledger.Trouble(),
		PeersOptional: p.cfg.PeersOptional,
		Attempts: health.Attempts{
			Failed: p.health.failed, FailedWhy: p.health.failedWhy,
			Collecting: p.job.worker != nil && p.shown.push.Collecting(),
		},
	}
	if p.cfg.Gate != nil {
		s := p.cfg.Gate.Status()
		in.Gate = &health.Gate{
			Calls: s.Calls, Held: s.Held, Absorbed: s.Absorbed.Count, Since: s.Absorbed.Since,
			Lasting: s.Absorbed.Lasting, Error: s.Absorbed.Error, List: p.listHealth(),
		}
	}
	if p.polls.identity != nil {
		in.Conflict = p.polls.identity.Conflict()
	}
	if p.job.human != nil {
		in.Human = p.job.human.why
	}
	if p.health.failed > 0 {
		in.FailedFor = time.Since(p.health.failedFrom)
	}
	if in.Stage != fsm.Working {
		for _, times := range p.job.refused {
			in.Refused = max(in.Refused, times)
		}
	}
	since := o.Start
	if previous != nil {
		since = previous.Start
	}
	in.Gwat.Ours = p.ledger.Busy(since)
	sign, _, driverSeen := p.writes.competing.LastSign()
	in.Competing = sign
	if l := publish.Lock(o, p.ledger.Pending(), driverSeen, in.Stage, p.cfg.LockTime); l != nil {
		in.Lock = &health.Lock{Running: p.job.worker != nil && l.Ours, Ours: l.Ours, Until: l.Until}
	} else if o.Gwat.Err == nil && o.Gwat.Sync.Activity == protocol.Prepared {
		in.Lock = &health.Lock{Running: p.job.worker != nil}
	}
	return in
}

// countFailed counts the attempts that failed in a row. An attempt that syncd ended, that was
// inhibited, or that had to wait does not count.
func (p *Pair) countFailed(err error) {
	switch {
	case err == nil:
		p.health.failed = 0
	case failure.Canceled(err), errors.Is(err, headsync.ErrWriteInhibited),
		errors.Is(err, protocol.ErrLockHeld), errors.Is(err, protocol.ErrBusy): // other findings and stages report these
	default:
		if p.health.failed == 0 {
			p.health.failedFrom = time.Now()
		}
		p.health.failed++
		p.health.failedWhy = err.Error()
	}
}
