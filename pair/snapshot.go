package pair

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/status"
)

// Units of progress.
const (
	unitBlock = "block"
	unitSlot  = "slot"
	unitEntry = "entry"
)

// reassurance is how often a log line says that the loop is alive and what it waits for.
const reassurance = time.Minute

// shown is what was published, and what only publishing needs.
type shown struct {
	board   *publish.Board
	metrics *metrics
	seq     uint64
	told    time.Time // of the last reassurance line

	push      *status.Push // of the running or last attempt
	lastPush  *status.Push // that ended well
	pushIndex map[common.Hash]int
	rates     rates
	lastErr   *status.Error
}

// publish builds a snapshot from what the loop knows.
func (p *Pair) publish() {
	now := p.cfg.Now()
	stage := p.machine.Stage()
	p.shown.seq++
	s := &status.Snapshot{
		Seq: p.shown.seq, At: now, Pair: p.cfg.Name, Version: p.cfg.Version, Observe: p.cfg.Observe,
		Stage: string(stage), Since: p.stage.since, Reason: p.stage.reason, Waiting: p.waiting(stage),
		Network: p.network(now), Push: p.pushShown(), LastError: p.shown.lastErr, Attempts: p.job.attempts,
		Confirmed: (*status.Confirmed)(p.ledger.Confirmed()), Lock: p.lock(stage),
	}
	if p.polls.identity != nil {
		s.Era = string(p.polls.identity.Spec.Era())
	}
	s.NextTry = p.nextTry(stage, now)
	s.Gwat, s.Beacon = p.showNodes(now)
	if sign, first, last := p.writes.rival.Told(); sign != "" {
		s.Rival = &status.Rival{Sign: sign, Seen: first, LastProgress: last}
	}
	if o := p.polls.last; o != nil && o.Beacon.Err == nil {
		s.Checkpoint = checkpointShown(o)
	}
	s.Findings = p.health.judge.Findings()
	s.Verdict = health.Of(stage, s.Findings, p.polls.last != nil)
	s.ETA = p.eta(s, now)
	p.shown.board.Publish(s)
	p.showToGate(s)
	if now.Sub(p.shown.told) >= reassurance {
		p.shown.told = now
		p.log.WithFields(aliveFields(s)).Infof("Alive in stage %s for %s%s", stage, now.Sub(p.stage.since).Round(time.Second), forWhat(s.Waiting))
	}
}

// aliveFields are what a line needs that may be the only one read for hours.
func aliveFields(s *status.Snapshot) logrus.Fields {
	out := logrus.Fields{"stage": s.Stage, "verdict": s.Verdict}
	if s.Gwat.Slot != nil {
		out["gwat_slot"] = *s.Gwat.Slot
	}
	if s.Beacon.Slot != nil {
		out["beacon_slot"] = *s.Beacon.Slot
	}
	return out
}

func forWhat(waiting string) string {
	if waiting == "" {
		return ""
	}
	return ", waiting for " + waiting
}

func (p *Pair) waiting(stage fsm.Stage) string {
	if p.polls.last == nil {
		return "the first answer of both nodes"
	}
	if stage != fsm.HeadSyncReady {
		facts, _ := p.facts()
		return fsm.Waiting(stage, facts)
	}
	switch {
	case p.writes.inhibit != "":
		return p.writes.inhibit
	case p.job.awaits != "" && p.job.worker != nil:
		return p.job.awaits
	case p.shown.lastErr != nil && p.shown.lastErr.At.After(p.stage.since):
		return p.shown.lastErr.Message
	case p.shown.push != nil && p.job.worker != nil && p.shown.push.Phase == string(headsync.PhaseCollecting):
		return fmt.Sprintf("the beacon's blocks up to slot %d to be collected", p.shown.push.To)
	}
	return "gwat to be ready"
}

func (p *Pair) nextTry(stage fsm.Stage, now time.Time) *time.Time {
	next := now.Add(p.cfg.PollInterval)
	switch stage {
	case fsm.Working, fsm.Paused, fsm.HeadSync:
		return nil
	case fsm.HeadSyncReady:
		if p.job.worker != nil {
			return nil
		}
		if p.job.nextAttempt.After(now) {
			next = p.job.nextAttempt
		}
	}
	return &next
}

func (p *Pair) network(now time.Time) *status.Network {
	if p.polls.identity == nil {
		return nil
	}
	return status.NewNetwork(p.polls.identity.Spec, now)
}

func checkpointShown(o *poll.Observation) *status.Checkpoint {
	out := &status.Checkpoint{Checkpoint: o.Beacon.Justified}
	for _, point := range o.Beacon.Points {
		if point.Header.Root != o.Beacon.Justified.Root {
			continue
		}
		out.Slot = point.Header.Slot
		if spine, ok := point.LastSpine(); ok {
			out.Spine = &spine
		}
	}
	return out
}

// lock tells of gwat's head-sync lock: how long it is held at the latest.
func (p *Pair) lock(stage fsm.Stage) *status.Lock {
	o := p.polls.last
	pending := p.ledger.Pending()
	if o == nil || o.Gwat.Err != nil || o.Gwat.Sync.Stage != gwatclient.StageHead {
		return nil
	}
	if pending != nil {
		return &status.Lock{Ours: true, Until: pending.SentAt.Add(p.cfg.LockTime)}
	}
	if _, _, last := p.writes.rival.Told(); !last.IsZero() && stage != fsm.HeadSync {
		return &status.Lock{Until: last.Add(p.cfg.LockTime)}
	}
	return nil
}

func (p *Pair) showNodes(now time.Time) (gwat, beacon status.Node) {
	gwat.Endpoint, beacon.Endpoint = p.nodes.gwat.Endpoint(), p.nodes.beacon.URL()
	shown := p.polls.poller.Extras()
	gwat.Version, gwat.Peers = shown.Gwat.Version, shown.Gwat.Peers
	beacon.Version, beacon.Peers = shown.Beacon.Version, shown.Beacon.Peers
	o := p.polls.last
	if o == nil {
		gwat.Since, beacon.Since = p.stage.since, p.stage.since
		return gwat, beacon
	}
	gwat.Reachable, beacon.Reachable = o.Gwat.Err == nil, o.Beacon.Err == nil
	gwat.Since, beacon.Since = p.shown.rates.reachable(&p.shown.rates.gwatUp, gwat.Reachable, now), p.shown.rates.reachable(&p.shown.rates.beaconUp, beacon.Reachable, now)
	gwat.Error, beacon.Error = status.NewError(o.Gwat.Err, o.At), status.NewError(o.Beacon.Err, o.At)
	gwat.LatencyMS, beacon.LatencyMS = status.Milliseconds(o.Gwat.Latency), status.Milliseconds(o.Beacon.Latency)
	p.standing(o, &gwat, &beacon)
	if gwat.Reachable {
		gwat.SyncStage = string(o.Gwat.Sync.Stage)
		gwat.Progress = p.gwatProgress(o)
	}
	if beacon.Reachable && p.polls.identity != nil {
		wall := p.polls.identity.Spec.SlotAt(o.At)
		beacon.SyncStage = "synced"
		if !o.Beacon.Progress(wall).NearHead() {
			beacon.SyncStage = "syncing"
		}
		head := uint64(p.polls.history.HighHead)
		beacon.Progress = p.shown.rates.beacon.progress(unitSlot, head, max(head, uint64(wall)), o.At)
	}
	return gwat, beacon
}

// gwatProgress counts finalized blocks, and slots while gwat loads its DAG.
func (p *Pair) gwatProgress(o *poll.Observation) *status.Progress {
	sync := o.Gwat.Sync
	if sync.Stage == gwatclient.StageDAG && p.polls.identity != nil {
		wall := uint64(p.polls.identity.Spec.SlotAt(o.At))
		return p.shown.rates.gwatDAG.progress(unitSlot, uint64(sync.MaxBlockSlot), max(wall, uint64(sync.MaxBlockSlot)), o.At)
	}
	return p.shown.rates.gwat.progress(unitBlock, p.polls.history.Number, max(p.polls.history.Number, sync.HighestBlock), o.At)
}

// reported takes a worker's report in.
func (p *Pair) reported(ctx context.Context, r report) {
	if r.sequence != p.job.sequence {
		return
	}
	p.job.awaits = r.Waiting
	if r.Note != "" {
		p.log.WithField("phase", r.Phase).Warn(r.Note)
	}
	if p.shown.push == nil || r.Phase == headsync.PhaseCollecting && p.shown.push.Phase != string(r.Phase) {
		p.shown.push = &status.Push{Started: p.cfg.Now()}
		p.shown.rates.push.reset()
		p.shown.pushIndex = nil
	}
	p.shown.push.Phase, p.shown.push.From, p.shown.push.To = string(r.Phase), r.From, r.To
	done := uint64(r.Done)
	if p.shown.push.Progress.Target == uint64(r.Total) {
		done = max(done, p.shown.push.Progress.Current) // gwat was seen to be past the segment's begin
	}
	p.shown.push.Progress = *p.shown.rates.push.progress(unitEntry, done, uint64(r.Total), p.cfg.Now())
	if !r.Accepted {
		return
	}
	p.shown.pushIndex = map[common.Hash]int{}
	for i, e := range r.Push {
		if spine, ok := e.Info.LastSpine(); ok {
			p.shown.pushIndex[spine] = min(r.Done+i+1, r.Total)
		}
	}
	if p.machine.Can(fsm.ReadyAccepted) {
		p.fire(ctx, fsm.ReadyAccepted, readyReason(r.From, r.To, len(r.Push)))
	}
}

// pushShown is a copy of the push with how far gwat is, by its last finalized block.
func (p *Pair) pushShown() *status.Push {
	if p.shown.push == nil {
		return nil
	}
	if o := p.polls.last; p.shown.push.Phase == string(headsync.PhasePushing) && o != nil && o.Gwat.Latest != nil {
		if i, ok := p.shown.pushIndex[o.Gwat.Latest.Hash]; ok && uint64(i) >= p.shown.push.Progress.Current {
			p.shown.push.Progress = *p.shown.rates.push.progress(unitEntry, uint64(i), p.shown.push.Progress.Target, o.At)
		}
	}
	out := *p.shown.push
	return &out
}

func readyReason(from, to primitives.Slot, n int) string {
	return fmt.Sprintf("gwat is ready for %d entries, slots %d to %d", n, from, to)
}
