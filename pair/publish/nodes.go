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
	if o == nil || !s.answered(&n, o.Gwat.Err, m.GwatSince, m.GwatKnown) {
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
	if o == nil || !s.answered(&n, o.Beacon.Err, m.BeaconSince, m.BeaconKnown) {
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

// answered shows how the newest poll found a node, with what it has, or had when it last
// answered. It reports whether the node answered.
func (s *State) answered(n *status.Node, err error, since time.Time, known *status.LastKnown) bool {
	n.Reachable, n.Since, n.Error = err == nil, since, status.NewError(err, s.Nodes.Last.At)
	switch {
	case known == nil:
	case n.Reachable:
		n.Slot, n.Finalized, n.LagSlots = known.Slot, known.Finalized, s.lag(known, s.clock())
	default:
		n.LastKnown, n.LagSlots = known, s.lag(known, s.At)
	}
	return n.Reachable
}

// clock returns the time by which a node that answers is behind: that of the newest poll,
// and now if no poll has ended for some time.
func (s *State) clock() time.Time {
	if polled := s.Nodes.Last.At; s.At.Sub(polled) <= 2*s.Pair.PollInterval {
		return polled
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
