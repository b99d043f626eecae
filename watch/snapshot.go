package watch

import (
	"errors"
	"strconv"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/pair/reach"
	"github.com/gwatsync/syncd/status"
)

// nodes is since when each node answers or does not, what it reports only in some polls, what
// it had when it last answered, and the network that the beacon node named last.
type nodes struct {
	gwat, beacon node
	spec         *checkpoint.Spec
}

type node struct {
	up      bool
	since   time.Time
	version string
	peers   *uint64
	known   *status.LastKnown
}

// resume begins with what an earlier syncd left.
func (n *nodes) resume(left publish.Measured) {
	n.spec, n.gwat.known, n.beacon.known = left.Spec, left.GwatKnown, left.BeaconKnown
}

func (n *nodes) observe(o *Observation) {
	n.gwat.observe(o.Gwat.Err == nil, o.At, o.Gwat.Version, o.Gwat.Peers)
	n.beacon.observe(o.Beacon.Err == nil, o.At, o.Beacon.Version, o.Beacon.Peers)
	if spec := o.Beacon.Spec; spec != nil {
		if n.spec != nil && *n.spec != *spec {
			n.gwat.known, n.beacon.known = nil, nil
		}
		n.spec = spec
	}
	if o.Gwat.Err == nil {
		slot := o.Gwat.Latest.Slot
		n.gwat.known = &status.LastKnown{At: o.Gwat.At, Slot: &slot, Finalized: o.Gwat.Latest.Number}
	}
	if o.Beacon.Err == nil {
		slot := o.Beacon.Head.Slot
		n.beacon.known = &status.LastKnown{At: o.Beacon.At, Slot: &slot}
		if n.spec != nil {
			finalized := uint64(n.spec.StartSlot(o.Beacon.Finality.Finalized.Epoch))
			n.beacon.known.Finalized = &finalized
		}
	}
}

func (n *node) observe(up bool, at time.Time, version string, peers *uint64) {
	if n.since.IsZero() || up != n.up {
		n.up, n.since = up, at
	}
	if version != "" {
		n.version = version
	}
	n.peers = peers // a node that is gone has no peers to report
}

// publish makes what the loop knows the newest snapshot.
func (w *Watcher) publish() {
	now := w.cfg.Now()
	stage := w.machine.Stage()
	w.seq++
	s := &status.Snapshot{
		Seq: w.seq, At: now, Pair: w.cfg.Name, Version: w.cfg.Version, Observe: w.cfg.Observe || !w.cfg.Heals.any(), Era: string(checkpoint.EraCoordinated),
		Stage: string(stage), Since: w.stage.at, Reason: w.stage.reason, Waiting: w.waiting(stage),
		Findings: w.health.Findings(),
		Gwat:     status.Node{Endpoint: w.cfg.Gwat.Endpoint(), Since: w.stage.at},
		Beacon:   status.Node{Endpoint: w.cfg.Beacon.URL(), Since: w.stage.at},
	}
	s.Verdict = health.Of(stage, s.Findings, w.pair.last != nil)
	if spec := w.pair.nodes.spec; spec != nil {
		s.Network = status.NewNetwork(*spec, now)
	}
	if stage != fsm.Working && stage != fsm.Paused {
		next := now.Add(w.cfg.PollInterval)
		s.NextTry = &next
	}
	if o := w.pair.last; o != nil {
		w.showGwat(&s.Gwat, o)
		w.showBeacon(&s.Beacon, o)
		if o.Beacon.Err == nil {
			point := o.Beacon.Finality.CurrentJustified
			s.Checkpoint = &status.Checkpoint{Checkpoint: point}
			if spec := w.pair.nodes.spec; spec != nil {
				s.Checkpoint.Slot = spec.StartSlot(point.Epoch)
			}
		}
	}
	w.board.Publish(s)
	if w.cfg.Report.View != nil {
		paused := stage == fsm.Paused || w.pair.pause != nil // from the start on, if the pair was paused before it
		v := View{Working: stage == fsm.Working, HandsOff: w.cfg.Observe || paused || stage == fsm.Halted}
		if spec := w.pair.who.spec; spec != nil {
			v.Spec = *spec
		}
		w.cfg.Report.View(v)
	}
}

// waiting returns what the stage waits for; "" if for nothing.
func (w *Watcher) waiting(stage fsm.Stage) string {
	f := w.facts()
	if before, why := w.beforeGenesis(); before && (stage == fsm.HeadSync || stage == fsm.Switching) {
		return why
	}
	switch stage {
	case fsm.HeadSyncReady:
		return "gwat's coordinated state: it loads from its peers"
	case fsm.HeadSync:
		return "the beacon node's head sync: eth_syncing is not false"
	}
	return fsm.Waiting(stage, f)
}

// beforeGenesis reports whether the network has not begun, and when it will.
func (w *Watcher) beforeGenesis() (bool, string) {
	if w.pair.who.spec == nil {
		return false, ""
	}
	return w.pair.who.spec.BeforeGenesis(w.cfg.Now())
}

func (w *Watcher) showGwat(n *status.Node, o *Observation) {
	if !w.show(n, &w.pair.nodes.gwat, o.Gwat.Err, o.At) {
		return
	}
	n.LatencyMS, n.SyncStage = new(status.Milliseconds(o.Gwat.Latency)), "synced"
	if o.Gwat.Syncing {
		n.SyncStage = "synchronization"
	}
	if o.Gwat.Wat != nil && o.Gwat.Wat.Current > 0 {
		n.Progress = &status.Progress{Unit: "slot", Current: uint64(o.Gwat.Wat.DAG), Target: uint64(max(o.Gwat.Wat.Current, o.Gwat.Wat.DAG))}
	}
}

func (w *Watcher) showBeacon(n *status.Node, o *Observation) {
	if !w.show(n, &w.pair.nodes.beacon, o.Beacon.Err, o.At) {
		return
	}
	n.LatencyMS, n.SyncStage = new(status.Milliseconds(o.Beacon.Latency)), "synced"
	if o.Beacon.Syncing.IsSyncing {
		n.SyncStage = "syncing"
	}
	if spec := w.pair.nodes.spec; spec != nil {
		slot := o.Beacon.Head.Slot
		n.Progress = &status.Progress{Unit: "slot", Current: uint64(slot), Target: uint64(max(slot, spec.SlotAt(w.cfg.Now())))}
	}
}

// show fills in a node by the newest poll: what it has, or had when it last answered. It
// reports whether the node answered.
func (w *Watcher) show(n *status.Node, known *node, err error, at time.Time) bool {
	n.Reachable, n.Since, n.Version, n.Peers = known.up, known.since, known.version, known.peers
	n.Error = status.NewError(err, at)
	last := known.known
	if last == nil {
		return err == nil
	}
	n.LagSlots = w.lag(last.Slot)
	if err != nil {
		n.LastKnown = last
		return false
	}
	n.Slot, n.Finalized = last.Slot, last.Finalized
	return true
}

// lag returns how many slots a node is behind the clock; nil if that is not known. A syncd
// of the other era may not have kept the node's slot.
func (w *Watcher) lag(slot *primitives.Slot) *uint64 {
	spec := w.pair.nodes.spec
	if spec == nil || slot == nil {
		return nil
	}
	lag := checkpoint.Lag(*slot, spec.SlotAt(w.cfg.Now()))
	return &lag
}

// evaluateHealth evaluates the newest poll and logs which findings it has changed.
func (w *Watcher) evaluateHealth(o *Observation) {
	in := w.input(o)
	if polled := w.cfg.Report.Polled; polled != nil {
		polled(in)
	}
	w.health.Observe(in).Log(w.log)
}

// errWaiting is of a node that the poll before has read: of it nothing new is known yet.
var errWaiting = errors.New("the poll has no answer yet")

// waits has it evaluated that a poll has had no answer for a while of a node that left the
// one before without any: it counts as another such poll, so that a node that hangs is not
// reported only after three times the call timeout.
func (w *Watcher) waits() {
	last := w.pair.last
	if last == nil || reach.Gwat(last.Gwat.Err) != health.Silent && reach.Beacon(last.Beacon.Err) != health.Silent {
		return
	}
	o := &Observation{At: w.cfg.Now(), Gwat: GwatPoll{Err: last.Gwat.Err}, Beacon: BeaconPoll{Err: last.Beacon.Err}}
	if reach.Gwat(o.Gwat.Err) != health.Silent {
		o.Gwat.Err = errWaiting
	}
	if reach.Beacon(o.Beacon.Err) != health.Silent {
		o.Beacon.Err = errWaiting
	}
	in := w.input(o)
	if errors.Is(o.Gwat.Err, errWaiting) {
		in.Gwat.Reach = health.NotAsked
	}
	if errors.Is(o.Beacon.Err, errWaiting) {
		in.Beacon.Reach = health.NotAsked
	}
	w.health.Observe(in).Log(w.log)
}

// input returns a poll as an Input of package health.
func (w *Watcher) input(o *Observation) health.Input {
	in := health.Input{
		At: o.At, Elapsed: o.At.Sub(w.pair.begin), Stage: w.machine.Stage(), Spec: w.pair.who.spec,
		Conflict: w.pair.who.conflict(), Events: w.pair.events, Journal: string(w.journal), Human: w.healing.human(w.cfg.Heals, o.At),
		Gwat: health.Gwat{
			Node:    health.Node{Reach: reach.Gwat(o.Gwat.Err), Error: failure.Message(o.Gwat.Err), Latency: o.Gwat.Latency, Peers: o.Gwat.Peers},
			Syncing: o.Gwat.Syncing,
		},
		Beacon:      health.Beacon{Node: health.Node{Reach: reach.Beacon(o.Beacon.Err), Error: failure.Message(o.Beacon.Err), Latency: o.Beacon.Latency, Peers: o.Beacon.Peers}},
		Coordinated: &health.Coordinated{CheckpointKnown: o.CheckpointKnown, HeadFinal: o.HeadFinal, BeaconSyncing: o.Beacon.Syncing.IsSyncing},
	}
	in.Gwat.Identity.Client, in.Beacon.Identity.Client = health.ClientName(o.Gwat.Version), health.ClientName(o.Beacon.Version)
	if o.Gwat.ChainID != nil {
		in.Gwat.Identity.Chain = strconv.FormatUint(*o.Gwat.ChainID, 10)
	}
	if count := w.cfg.Report.NullAnswers; count != nil {
		in.Coordinated.NullAnswers = count()
	}
	if o.Gwat.Err == nil {
		in.Gwat.Number, in.Gwat.Slot = o.Gwat.Latest.Number, o.Gwat.Latest.Slot
	}
	if s := o.Gwat.Mark; s != nil {
		in.Coordinated.State = &health.CoordinatedState{LastFinalized: s.LastFinalized, Epoch: s.Epoch, Checkpoint: s.Root}
	}
	if o.Beacon.Err == nil {
		in.Beacon.Known, in.Beacon.Head, in.Beacon.Root = true, o.Beacon.Head.Slot, o.Beacon.Head.Root
		in.Beacon.Clock, in.Beacon.ClockAt = o.Beacon.Syncing.HeadSlot+primitives.Slot(o.Beacon.Syncing.Distance), o.At
		in.Beacon.Justified = o.Beacon.Finality.CurrentJustified.Epoch
	}
	return in
}
