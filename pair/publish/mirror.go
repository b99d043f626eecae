package publish

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
)

// Mirror is a prometheus.Collector over the newest snapshot. All values of a scrape
// belong together and to syncd_snapshot_seq.
type Mirror struct {
	snapshot func() *status.Snapshot
	catalog  []health.Entry
}

// NewMirror returns a collector over the newest snapshot that snapshot returns. Every
// finding of the catalog is there, with 0 while it does not hold.
func NewMirror(snapshot func() *status.Snapshot, catalog []health.Entry) *Mirror {
	return &Mirror{snapshot: snapshot, catalog: catalog}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// What a snapshot has. A value that is not known is absent.
var (
	descSeq       = desc("syncd_snapshot_seq", "Number of the snapshot that all gauges of the pair in this scrape are from: seq of syncd_status.")
	descAt        = desc("syncd_snapshot_timestamp_seconds", "When that snapshot was taken, in seconds since 1970. If it does not change, the loop of syncd hangs.")
	descBuild     = desc("syncd_build_info", "1, labelled with the version of syncd and whether it only observes.", "version", "observe")
	descPair      = desc("syncd_pair_info", "1, labelled with the network and the versions that the nodes report.", "network", "gwat_version", "beacon_version")
	descStage     = desc("syncd_stage", "1 for the stage the pair is in, 0 for the others.", "stage")
	descEntered   = desc("syncd_stage_entered_timestamp_seconds", "When the pair entered its stage, in seconds since 1970.")
	descVerdict   = desc("syncd_verdict", "1 for the verdict on the pair, 0 for the others: only working says that it does its work.", "verdict")
	descFinding   = desc("syncd_finding", "1 for an active finding, 0 for every other one of the catalog.", "name", "severity")
	descExplained = desc("syncd_finding_explained", "1 for an active finding that another one explains, labelled with both: repair the one in by first.", "name", "by")
	descETA       = desc("syncd_eta_timestamp_seconds", "When the pair may work, in seconds since 1970; absent if that is not known.")
	descUp        = desc("syncd_node_up", "1 if the node answered the last poll, 0 if not; absent before the first.", "node")
	descLatency   = desc("syncd_node_latency_seconds", "How long the node took for its first answer of the last poll; absent while it does not answer.", "node")
	descPeers     = desc("syncd_node_peers", "Peers that the node is connected to, read at most 30 polls ago; absent while it does not answer.", "node")
	descSlot      = desc("syncd_node_slot", "The newest slot that the node has: the beacon's head, gwat's newest coordinated slot; absent while it does not answer.", "node")
	descLag       = desc("syncd_node_lag_slots", "Slots that the node is behind the wall clock; while it does not answer, the wall clock minus the slot that it had when it last did.", "node")
	descKnown     = desc("syncd_node_last_answer_timestamp_seconds", "When the node last answered, in seconds since 1970; only while it does not answer.", "node")
	descProgress  = desc("syncd_node_progress", "How far the node's sync has come, in blocks or slots, as progress of syncd_status has it; absent if it is not known.", "node")
	descWall      = desc("syncd_wall_clock_slot", "The slot that the wall clock of syncd is in.")
	descNumber    = desc("syncd_gwat_finalized_number", "Number of gwat's last finalized block; it goes back when gwat is rolled back.")
	descFinalized = desc("syncd_beacon_finalized_slot", "Slot of the beacon's last finalized checkpoint.")
	descPoint     = desc("syncd_checkpoint_slot", "Slot of the last checkpoint (current_justified), where a head sync begins at the earliest.")
	descConfirmed = desc("syncd_confirmed_slot", "Slot of the last entry whose spines gwat was read to have finalized.")
	descDone      = desc("syncd_push_entries_done", "Entries of the running or last push that gwat has; it never falls within a push.")
	descTarget    = desc("syncd_push_entries_target", "Entries that the running or last push has to push, as far as is known; it grows when the head moves on.")
	descLock      = desc("syncd_gwat_lock_held", "1 if gwat's head-sync lock is held, labelled with the holder: syncd or another; absent while gwat does not answer.", "by")
)

var descs = []*prometheus.Desc{
	descSeq, descAt, descBuild, descPair, descStage, descEntered, descVerdict, descFinding, descExplained, descETA, descUp, descLatency, descPeers, descSlot,
	descLag, descKnown, descProgress, descWall, descNumber, descFinalized, descPoint, descConfirmed, descDone, descTarget, descLock,
}

// Describe is part of prometheus.Collector.
func (m *Mirror) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (m *Mirror) Collect(ch chan<- prometheus.Metric) {
	s := m.snapshot()
	if s == nil {
		return
	}
	emit := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	emit(descSeq, float64(s.Seq))
	emit(descAt, seconds(s.At))
	emit(descBuild, 1, s.Version, word(s.Observe, "true", "false"))
	network := ""
	if s.Network != nil {
		network = s.Network.Name
		emit(descWall, float64(s.Network.CurrentSlot))
	}
	emit(descPair, 1, network, s.Gwat.Version, s.Beacon.Version)
	for _, stage := range fsm.Stages() {
		emit(descStage, gauge(s.Stage == string(stage)), string(stage))
	}
	emit(descEntered, seconds(s.Since))
	for _, v := range verdicts {
		emit(descVerdict, gauge(s.Verdict == v), v)
	}
	m.findings(s, emit)
	if s.ETA != nil {
		emit(descETA, seconds(*s.ETA))
	}
	mirrorNode(s.Gwat, NodeGwat, descNumber, emit)
	mirrorNode(s.Beacon, NodeBeacon, descFinalized, emit)
	if s.Checkpoint != nil {
		emit(descPoint, float64(s.Checkpoint.Slot))
	}
	if s.Confirmed != nil {
		emit(descConfirmed, float64(s.Confirmed.Slot))
	}
	if s.Push != nil {
		emit(descDone, float64(s.Push.Progress.Current))
		emit(descTarget, float64(s.Push.Progress.Target))
	}
	if s.Gwat.Reachable {
		emit(descLock, gauge(s.Lock != nil && s.Lock.Ours), "syncd")
		emit(descLock, gauge(s.Lock != nil && !s.Lock.Ours), "another")
	}
}

// The nodes as labels.
const (
	NodeGwat   = "gwat"
	NodeBeacon = "beacon"
)

var verdicts = []string{
	status.VerdictUnknown, status.VerdictSyncing, status.VerdictWorking, status.VerdictFailing, status.VerdictPaused, status.VerdictHalted,
}

type emitter func(d *prometheus.Desc, v float64, labels ...string)

// findings collects every name of the catalog, so that an alert sees a 0 and not a gap.
func (m *Mirror) findings(s *status.Snapshot, emit emitter) {
	active := map[string]string{}
	for _, f := range s.Findings {
		active[f.Name] = f.Severity
		if f.ExplainedBy != "" {
			emit(descExplained, 1, f.Name, f.ExplainedBy)
		}
	}
	for _, e := range m.catalog {
		severity, is := active[e.Name]
		emit(descFinding, gauge(is), e.Name, cmp.Or(severity, e.Severity))
	}
}

func mirrorNode(n status.Node, name string, finalized *prometheus.Desc, emit emitter) {
	if n.Reachable || n.Error != nil { // else it was not polled yet
		emit(descUp, gauge(n.Reachable), name)
	}
	if n.LatencyMS != nil {
		emit(descLatency, *n.LatencyMS/1000, name)
	}
	if n.LastKnown != nil {
		emit(descKnown, seconds(n.LastKnown.At), name)
	}
	if n.Peers != nil {
		emit(descPeers, float64(*n.Peers), name)
	}
	if n.Slot != nil {
		emit(descSlot, float64(*n.Slot), name)
	}
	if n.LagSlots != nil {
		emit(descLag, float64(*n.LagSlots), name)
	}
	if n.Progress != nil {
		emit(descProgress, float64(n.Progress.Current), name)
	}
	if n.Finalized != nil {
		emit(finalized, float64(*n.Finalized))
	}
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

func gauge(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func word(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}
