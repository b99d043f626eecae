package publish

import (
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/status"
)

// gwat returns what is shown of gwat.
func (s *State) gwat() status.Node {
	m := &s.Nodes.Measured
	n := status.Node{Endpoint: s.Pair.GwatURL, Version: s.Nodes.Extras.Gwat.Version, Since: s.Stage.Since}
	o := s.Nodes.Last
	if o == nil || !s.answered(&n, o.Gwat.Err, o.Gwat.At, m.GwatSince, m.GwatKnown) {
		return n
	}
	n.Peers, n.LatencyMS = s.Nodes.Extras.Gwat.Peers, new(status.Milliseconds(o.Gwat.Latency))
	n.SyncStage, n.Progress = o.Gwat.Sync.Word, m.Gwat
	return n
}

// beacon returns what is shown of the beacon node.
func (s *State) beacon() status.Node {
	m := &s.Nodes.Measured
	n := status.Node{Endpoint: s.Pair.BeaconURL, Version: s.Nodes.Extras.Beacon.Version, Since: s.Stage.Since}
	o := s.Nodes.Last
	if o == nil || !s.answered(&n, o.Beacon.Err, o.Beacon.At, m.BeaconSince, m.BeaconKnown) {
		return n
	}
	n.Peers, n.LatencyMS = s.Nodes.Extras.Beacon.Peers, new(status.Milliseconds(o.Beacon.Latency))
	if m.Spec != nil {
		n.SyncStage = "synced"
		if !o.Beacon.Progress(m.Spec.SlotAt(o.At)).NearHead() {
			n.SyncStage = "syncing"
		}
		n.Progress = m.Beacon
	}
	return n
}

// answered shows how the newest poll found a node, with what it had when that poll read it, or
// when it last answered. It reports whether the node answered.
func (s *State) answered(n *status.Node, err error, read, since time.Time, known *status.LastKnown) bool {
	n.Reachable, n.Since, n.Error = err == nil, since, status.NewError(err, s.Nodes.Last.At)
	switch {
	case known == nil:
	case n.Reachable:
		n.Slot, n.Finalized, n.LagSlots = known.Slot, known.Finalized, s.lag(known, s.clock(read))
	default:
		n.LastKnown, n.LagSlots = known, s.lag(known, s.At)
	}
	return n.Reachable
}

// clock returns the time by which a node that answers is behind: when the newest poll read it,
// which is long before its end if the other node hangs, and now if no poll has ended for some
// time.
func (s *State) clock(read time.Time) time.Time {
	if s.At.Sub(s.Nodes.Last.At) <= 2*s.Pair.PollInterval {
		return read
	}
	return s.At
}

// lag returns how many slots a node is behind the clock.
func (s *State) lag(known *status.LastKnown, clock time.Time) *uint64 {
	if s.Nodes.Measured.Spec == nil || known.Slot == nil {
		return nil
	}
	lag := checkpoint.Lag(*known.Slot, s.Nodes.Measured.Spec.SlotAt(clock))
	return &lag
}
