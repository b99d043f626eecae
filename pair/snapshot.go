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

// publish builds a snapshot from what the loop knows.
func (p *Pair) publish() {
	now := p.cfg.Now()
	stage := p.machine.Stage()
	p.seq++
	s := &status.Snapshot{
		Seq: p.seq, At: now, Pair: p.cfg.Name, Version: p.cfg.Version, Observe: p.cfg.Observe,
		Stage: string(stage), Since: p.since, Reason: p.reason, Waiting: p.waiting(stage),
		Network: p.network(now), Push: p.pushShown(), LastError: p.lastErr, Attempts: p.attempts,
		Confirmed: (*status.Confirmed)(p.ledger.Confirmed()), Lock: p.lock(stage),
	}
	if p.identity != nil {
		s.Era = string(p.identity.Spec.Era())
	}
	s.NextTry = p.nextTry(stage, now)
	s.Gwat, s.Beacon = p.nodes(now)
	if sign, first, last := p.rival.Told(); sign != "" {
		s.Rival = &status.Rival{Sign: sign, Seen: first, LastProgress: last}
	}
	if o := p.obs; o != nil && o.Beacon.Err == nil {
		s.Checkpoint = checkpointShown(o)
	}
	s.Findings = p.judged.judge.Findings()
	s.Verdict = health.Of(stage, s.Findings, p.obs != nil)
	s.ETA = p.eta(s, now)
	p.board.Publish(s)
	p.showToGate(s)
	if now.Sub(p.told) >= reassurance {
		p.told = now
		p.log.WithFields(aliveFields(s)).Infof("Alive in stage %s for %s%s", stage, now.Sub(p.since).Round(time.Second), forWhat(s.Waiting))
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
	if p.obs == nil {
		return "the first answer of both nodes"
	}
	if stage != fsm.HeadSyncReady {
		facts, _ := p.facts()
		return fsm.Waiting(stage, facts)
	}
	switch {
	case p.hands != "":
		return p.hands
	case p.awaits != "" && p.worker != nil:
		return p.awaits
	case p.lastErr != nil && p.lastErr.At.After(p.since):
		return p.lastErr.Message
	case p.push != nil && p.worker != nil && p.push.Phase == string(headsync.PhaseCollecting):
		return fmt.Sprintf("the beacon's blocks up to slot %d to be collected", p.push.To)
	}
	return "gwat to be ready"
}

func (p *Pair) nextTry(stage fsm.Stage, now time.Time) *time.Time {
	next := now.Add(p.cfg.PollInterval)
	switch stage {
	case fsm.Working, fsm.Paused, fsm.HeadSync:
		return nil
	case fsm.HeadSyncReady:
		if p.worker != nil {
			return nil
		}
		if p.nextAttempt.After(now) {
			next = p.nextAttempt
		}
	}
	return &next
}

func (p *Pair) network(now time.Time) *status.Network {
	if p.identity == nil {
		return nil
	}
	return status.NewNetwork(p.identity.Spec, now)
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
	o := p.obs
	pending := p.ledger.Pending()
	if o == nil || o.Gwat.Err != nil || o.Gwat.Sync.Stage != gwatclient.StageHead {
		return nil
	}
	if pending != nil {
		return &status.Lock{Ours: true, Until: pending.SentAt.Add(p.cfg.LockTime)}
	}
	if _, _, last := p.rival.Told(); !last.IsZero() && stage != fsm.HeadSync {
		return &status.Lock{Until: last.Add(p.cfg.LockTime)}
	}
	return nil
}

func (p *Pair) nodes(now time.Time) (gwat, beacon status.Node) {
	gwat.Endpoint, beacon.Endpoint = p.gwat.Endpoint(), p.beacon.URL()
	shown := p.observer.Extras()
	gwat.Version, gwat.Peers = shown.Gwat.Version, shown.Gwat.Peers
	beacon.Version, beacon.Peers = shown.Beacon.Version, shown.Beacon.Peers
	o := p.obs
	if o == nil {
		gwat.Since, beacon.Since = p.since, p.since
		return gwat, beacon
	}
	gwat.Reachable, beacon.Reachable = o.Gwat.Err == nil, o.Beacon.Err == nil
	gwat.Since, beacon.Since = p.rates.reachable(&p.rates.gwatUp, gwat.Reachable, now), p.rates.reachable(&p.rates.beaconUp, beacon.Reachable, now)
	gwat.Error, beacon.Error = status.NewError(o.Gwat.Err, o.At), status.NewError(o.Beacon.Err, o.At)
	gwat.LatencyMS, beacon.LatencyMS = status.Milliseconds(o.Gwat.Latency), status.Milliseconds(o.Beacon.Latency)
	p.standing(o, &gwat, &beacon)
	if gwat.Reachable {
		gwat.SyncStage = string(o.Gwat.Sync.Stage)
		gwat.Progress = p.gwatProgress(o)
	}
	if beacon.Reachable && p.identity != nil {
		wall := p.identity.Spec.SlotAt(o.At)
		beacon.SyncStage = "synced"
		if !o.Beacon.Progress(wall).NearHead() {
			beacon.SyncStage = "syncing"
		}
		head := uint64(p.track.HighHead)
		beacon.Progress = p.rates.beacon.progress(unitSlot, head, max(head, uint64(wall)), o.At)
	}
	return gwat, beacon
}

// gwatProgress counts finalized blocks, and slots while gwat loads its DAG.
func (p *Pair) gwatProgress(o *poll.Observation) *status.Progress {
	sync := o.Gwat.Sync
	if sync.Stage == gwatclient.StageDAG && p.identity != nil {
		wall := uint64(p.identity.Spec.SlotAt(o.At))
		return p.rates.gwatDAG.progress(unitSlot, uint64(sync.MaxBlockSlot), max(wall, uint64(sync.MaxBlockSlot)), o.At)
	}
	return p.rates.gwat.progress(unitBlock, p.track.Number, max(p.track.Number, sync.HighestBlock), o.At)
}

// reported takes a worker's report in.
func (p *Pair) reported(ctx context.Context, r report) {
	if r.generation != p.generation {
		return
	}
	p.awaits = r.Waiting
	if r.Note != "" {
		p.log.WithField("phase", r.Phase).Warn(r.Note)
	}
	if p.push == nil || r.Phase == headsync.PhaseCollecting && p.push.Phase != string(r.Phase) {
		p.push = &status.Push{Started: p.cfg.Now()}
		p.rates.push.reset()
		p.pushIndex = nil
	}
	p.push.Phase, p.push.From, p.push.To = string(r.Phase), r.From, r.To
	done := uint64(r.Done)
	if p.push.Progress.Target == uint64(r.Total) {
		done = max(done, p.push.Progress.Current) // gwat was seen to be past the segment's begin
	}
	p.push.Progress = *p.rates.push.progress(unitEntry, done, uint64(r.Total), p.cfg.Now())
	if !r.Accepted {
		return
	}
	p.pushIndex = map[common.Hash]int{}
	for i, e := range r.Push {
		if spine, ok := e.Info.LastSpine(); ok {
			p.pushIndex[spine] = min(r.Done+i+1, r.Total)
		}
	}
	if p.machine.Can(fsm.ReadyAccepted) {
		p.fire(ctx, fsm.ReadyAccepted, readyReason(r.From, r.To, len(r.Push)))
	}
}

// pushShown is a copy of the push with how far gwat is, by its last finalized block.
func (p *Pair) pushShown() *status.Push {
	if p.push == nil {
		return nil
	}
	if o := p.obs; p.push.Phase == string(headsync.PhasePushing) && o != nil && o.Gwat.Latest != nil {
		if i, ok := p.pushIndex[o.Gwat.Latest.Hash]; ok && uint64(i) >= p.push.Progress.Current {
			p.push.Progress = *p.rates.push.progress(unitEntry, uint64(i), p.push.Progress.Target, o.At)
		}
	}
	out := *p.push
	return &out
}

func readyReason(from, to primitives.Slot, n int) string {
	return fmt.Sprintf("gwat is ready for %d entries, slots %d to %d", n, from, to)
}
