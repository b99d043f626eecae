package publish

import (
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/status"
)

// gwat returns what is shown of gwat.
func (s *State) gwat() status.Node {
	n := status.Node{Endpoint: s.Pair.GwatURL, Version: s.Nodes.Extras.Gwat.Version, Peers: s.Nodes.Extras.Gwat.Peers, Since: s.Stage.Since}
	o := s.Nodes.Last
	if o == nil {
		return n
	}
	if !s.answered(&n, o.Gwat.Err, o.Gwat.Latency, s.Nodes.Measured.GwatSince) {
		return n
	}
	if o.Gwat.Latest != nil {
		slot := max(s.Nodes.History.Coordinated, o.Gwat.Latest.Slot)
		n.Slot, n.Finalized, n.LagSlots = &slot, o.Gwat.Latest.Number, s.lag(slot)
	}
	n.SyncStage, n.Progress = o.Gwat.Sync.Word, s.Nodes.Measured.Gwat
	return n
}

// beacon returns what is shown of the beacon node.
func (s *State) beacon() status.Node {
	n := status.Node{Endpoint: s.Pair.BeaconURL, Version: s.Nodes.Extras.Beacon.Version, Peers: s.Nodes.Extras.Beacon.Peers, Since: s.Stage.Since}
	o := s.Nodes.Last
	if o == nil {
		return n
	}
	if !s.answered(&n, o.Beacon.Err, o.Beacon.Latency, s.Nodes.Measured.BeaconSince) {
		return n
	}
	slot := o.Beacon.Head.Header.Slot
	n.Slot, n.Finalized, n.LagSlots = &slot, o.Beacon.Finalized, s.lag(slot)
	if id := s.Nodes.Identity; id != nil {
		n.SyncStage = "synced"
		if !o.Beacon.Progress(id.Spec.SlotAt(o.At)).NearHead() {
			n.SyncStage = "syncing"
		}
		n.Progress = s.Nodes.Measured.Beacon
	}
	return n
}

// answered notes how the newest poll found a node, and reports whether it answered.
func (s *State) answered(n *status.Node, err error, took time.Duration, since time.Time) bool {
	n.Reachable, n.Since = err == nil, since
	n.Error, n.LatencyMS = status.NewError(err, s.Nodes.Last.At), status.Milliseconds(took)
	return n.Reachable
}

// lag returns how many slots a node is behind the clock of the newest poll.
func (s *State) lag(slot primitives.Slot) *uint64 {
	if s.Nodes.Identity == nil {
		return nil
	}
	lag := checkpoint.Lag(slot, s.Nodes.Identity.Spec.SlotAt(s.Nodes.Last.At))
	return &lag
}
