package pair

import (
	"errors"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/reach"
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
func (p *Pair) judgeLook(o, previous *observation) {
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
func (p *Pair) verdictInput(o, previous *observation) health.Input {
	in := health.Input{
		At: o.at, Elapsed: o.done.Sub(p.judged.born), Stage: p.machine.Stage(), Spec: p.spec,
		Gwat: gwatInput(o), Beacon: beaconInput(o), Events: p.judged.events, Journal: p.ledger.Trouble(),
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
	since := o.start
	if previous != nil {
		since = previous.start
	}
	in.Gwat.Ours = p.ledger.Busy(since)
	in.Rival, _, _ = p.rival.Told()
	if l := p.lock(in.Stage); l != nil {
		in.Lock = &health.Lock{Running: p.worker != nil && l.Ours, Ours: l.Ours, Until: l.Until}
	} else if o.gwat.err == nil && o.gwat.sync.Stage == gwatclient.StageHead {
		in.Lock = &health.Lock{Running: p.worker != nil}
	}
	return in
}

func gwatInput(o *observation) health.Gwat {
	g := health.Gwat{
		Node:    health.Node{Reach: reach.Gwat(o.gwat.err), Error: text(o.gwat.err), Latency: o.gwat.slowest, Peers: o.gwat.peers},
		Syncing: o.gwat.sync.Syncing, SyncStage: string(o.gwat.sync.Stage), CoordSlot: o.gwat.sync.LastCoordSlot, TipSlot: o.gwat.sync.MaxBlockSlot,
	}
	if o.gwat.err == nil {
		// Cheap calls were answered: a call of normal work that is not shows that gwat hangs.
		if how := reach.Gwat(o.callsErr); how == health.Silent {
			g.Reach, g.Error = how, text(o.callsErr)
		}
	}
	if n := o.number(); n != nil {
		g.Number, g.Slot = n, o.gwat.latest.Slot
	}
	if o.up() && o.gwat.latest != nil {
		g.Compared = true
		for _, s := range o.beacon.head.spines {
			g.Spines = append(g.Spines, o.state(s))
		}
	}
	return g
}

func beaconInput(o *observation) health.Beacon {
	b := health.Beacon{
		Node:    health.Node{Reach: reach.Beacon(o.beacon.err), Error: text(o.beacon.err), Latency: o.beacon.slowest, Peers: o.beacon.peers},
		ClockAt: o.beacon.told,
	}
	if o.beacon.err != nil {
		return b
	}
	b.Known, b.Head, b.Root = true, o.beacon.head.header.Slot, o.beacon.head.header.Root
	b.Clock = o.beacon.syncing.HeadSlot + primitives.Slot(o.beacon.syncing.Distance)
	b.Justified = o.beacon.justified.Epoch
	if o.up() {
		for _, point := range o.beacon.points {
			if spine, ok := point.lastSpine(); ok {
				b.Points = append(b.Points, health.Point{Slot: point.header.Slot, State: o.state(spine)})
			}
		}
	}
	return b
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// holdHead keeps the beacon's head as its progress tells it: a reorg of some
// slots is no step back of the sync, and a longer one is a finding.
func (t *track) holdHead(head primitives.Slot) {
	if head >= t.highHead || head+checkpoint.NearHead < t.highHead {
		t.highHead = head
	}
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
