package pair

import (
	"context"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/status"
)

// reassurance is how often a log line says that the loop is alive and what it waits for.
const reassurance = time.Minute

// shown is what was published, and what only publishing needs.
type shown struct {
	board   *publish.Board
	metrics *metrics
	seq     uint64
	alive   time.Time // of the last reassurance line

	push    publish.Push
	meters  publish.Meters
	lastErr *status.Error
}

// publish measures what the newest poll shows, and publishes a snapshot of what the loop
// knows.
func (p *Pair) publish() {
	now := p.cfg.Now()
	p.shown.seq++
	p.shown.meters.Observe(p.polls.last, &p.polls.history, now)
	p.shown.push.Observe(p.polls.last)
	s := publish.Build(p.state(now))
	p.shown.board.Publish(s)
	p.showToGate(s)
	if now.Sub(p.shown.alive) >= reassurance {
		p.shown.alive = now
		p.log.WithFields(aliveFields(s)).Infof("Alive in stage %s for %s%s", s.Stage, now.Sub(p.stage.since).Round(time.Second), forWhat(s.Waiting))
	}
}

// state returns what the loop knows, as far as it is published.
func (p *Pair) state(now time.Time) publish.State {
	sign, first, last := p.writes.competing.LastSign()
	return publish.State{
		Seq: p.shown.seq, At: now,
		Pair: publish.About{
			Name: p.cfg.Name, Version: p.cfg.Version, Observe: p.cfg.Observe,
			GwatURL: p.nodes.gwat.Endpoint(), BeaconURL: p.nodes.beacon.URL(),
			PollInterval: p.cfg.PollInterval, LockTime: p.cfg.LockTime,
		},
		Stage: publish.Stage{Name: p.machine.Stage(), Since: p.stage.since, Reason: p.stage.reason, Facts: p.stage.facts},
		Nodes: publish.Nodes{
			Last: p.polls.last, History: &p.polls.history,
			Extras: p.polls.poller.Extras(), Measured: p.shown.meters.Measured(),
		},
		Work: publish.Work{
			Running: p.job.worker != nil, Attempts: p.job.attempts, NextAttempt: p.job.nextAttempt, Failed: p.health.failed,
			LastError: p.shown.lastErr, Awaits: p.job.awaits, Inhibit: p.writes.inhibit, Push: p.shown.push.Status(now),
			Driver: publish.Driver{Sign: sign, First: first, Last: last},
		},
		Pending: p.ledger.Pending(), Confirmed: p.ledger.Confirmed(), Findings: p.health.engine.Findings(),
	}
}

// aliveFields are the fields of the reassurance line, which may be the only line for hours.
func aliveFields(s *status.Snapshot) logrus.Fields {
	out := logrus.Fields{"stage": s.Stage, "verdict": s.Verdict}
	if s.Gwat.Slot != nil {
		out["gwat_slot"] = *s.Gwat.Slot
	}
	if s.Beacon.Slot != nil {
		out["beacon_slot"] = *s.Beacon.Slot
	}
	if s.Push != nil {
		out["push_done"], out["push_target"] = s.Push.Progress.Current, s.Push.Progress.Target
	}
	return out
}

func forWhat(waiting string) string {
	if waiting == "" {
		return ""
	}
	return ", waiting for " + waiting
}

// reported handles a report of the worker.
func (p *Pair) reported(ctx context.Context, r report) {
	if r.sequence != p.job.sequence {
		return
	}
	p.job.awaits = r.Waiting
	if r.Note != "" {
		p.log.WithField("phase", r.Phase).Warn(r.Note)
	}
	p.shown.push.Report(r.Report, p.cfg.Now(), time.Now())
	if r.Accepted && p.machine.Can(fsm.ReadyAccepted) {
		p.fire(ctx, fsm.ReadyAccepted, fmt.Sprintf("gwat is ready for %s, slots %d to %d", counted.Part(len(r.Push), r.Total, "entry"), r.From, r.To))
	}
}
