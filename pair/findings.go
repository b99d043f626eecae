package pair

import (
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// judged is what the loop keeps for the verdict.
type judged struct {
	judge  *health.Engine
	born   time.Time // by the clock that never jumps, as failedFrom
	events uint64    // head events of the beacon's stream

	failed     int // attempts failed in a row
	failedFrom time.Time
	failedWhy  string
}

// judgeLook has the newest look judged, and logs what has changed by it.
func (p *Pair) judgeLook(o, previous *poll.Observation) {
	in := p.verdictInput(o, previous)
	if p.cfg.Polled != nil {
		p.cfg.Polled(in)
	}
	r := p.judged.judge.Observe(in)
	for _, f := range r.Appeared {
		p.log.WithFields(findingFields(f)).Logf(findingLevel(f), "Finding %s: %s", f.Name, f.Summary)
	}
	for _, f := range r.Gone {
		p.log.WithFields(findingFields(f)).Infof("Finding %s is gone", f.Name)
	}
}

func findingFields(f status.Finding) logrus.Fields {
	return logrus.Fields{"finding": f.Name, "since": f.Since.UTC().Format(time.RFC3339), "evidence": f.Evidence}
}

func findingLevel(f status.Finding) logrus.Level {
	switch f.Severity {
	case status.SeverityCritical:
		return logrus.ErrorLevel
	case status.SeverityWarning:
		return logrus.WarnLevel
	}
	return logrus.InfoLevel
}

// verdictInput puts a look, and what syncd knows itself, into the words of verdict.
func (p *Pair) verdictInput(o, previous *poll.Observation) health.Input {
	in := health.Input{
		At: o.At, Elapsed: o.Done.Sub(p.judged.born), Stage: p.machine.Stage(), Spec: p.spec,
		Gwat: poll.GwatHealth(o), Beacon: poll.BeaconHealth(o), Events: p.judged.events, Journal: p.ledger.Trouble(),
		Failed: p.judged.failed, FailedWhy: p.judged.failedWhy, PeersOptional: p.cfg.PeersOptional,
		Collecting: p.worker != nil && p.push != nil && collects(p.push.Phase),
	}
	if p.cfg.Gate != nil {
		s := p.cfg.Gate.Status()
		in.Gate = &health.Gate{
			Calls: s.Calls, Held: s.Held, Absorbed: s.Absorbed.Count, Since: s.Absorbed.Since,
			Lasting: s.Absorbed.Lasting, Error: s.Absorbed.Error,
		}
	}
	if p.identity != nil {
		in.Conflict = p.identity.Conflict()
	}
	if p.human != nil {
		in.Human = p.human.why
	}
	if p.judged.failed > 0 {
		in.FailedFor = time.Since(p.judged.failedFrom)
	}
	if in.Stage != fsm.Working {
		for _, times := range p.refused {
			in.Refused = max(in.Refused, times)
		}
	}
	since := o.Start
	if previous != nil {
		since = previous.Start
	}
	in.Gwat.Ours = p.ledger.Busy(since)
	in.Rival, _, _ = p.rival.Told()
	if l := p.lock(in.Stage); l != nil {
		in.Lock = &health.Lock{Running: p.worker != nil && l.Ours, Ours: l.Ours, Until: l.Until}
	} else if o.Gwat.Err == nil && o.Gwat.Sync.Stage == gwatclient.StageHead {
		in.Lock = &health.Lock{Running: p.worker != nil}
	}
	return in
}

// countFailed counts the attempts that failed in a row. One that was ended by
// us, that kept its hands off, or that had to wait, tells nothing.
func (p *Pair) countFailed(err error) {
	switch {
	case err == nil:
		p.judged.failed = 0
	case failure.Canceled(err), errors.Is(err, headsync.ErrHandsOff),
		errors.Is(err, headsync.ErrLockHeld), errors.Is(err, headsync.ErrBusy): // findings and stages of their own tell of these
	default:
		if p.judged.failed == 0 {
			p.judged.failedFrom = time.Now()
		}
		p.judged.failed++
		p.judged.failedWhy = err.Error()
	}
}

// collects tells of a push's phase that it reads the beacon's blocks.
func collects(phase string) bool {
	return phase == string(headsync.PhaseCollecting) || phase == string(headsync.PhaseProving)
}
