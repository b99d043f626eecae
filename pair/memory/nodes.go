package memory

import (
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/status"
)

// nodes is what both nodes of a network had when they last answered.
type nodes struct {
	ChainID     uint64            `json:"chainId"`
	GenesisTime uint64            `json:"genesisTime"`
	Gwat        *status.LastKnown `json:"gwat,omitempty"`
	Beacon      *status.LastKnown `json:"beacon,omitempty"`
}

// add takes a snapshot in. Another network begins with nothing.
func (n *nodes) add(s *status.Snapshot) {
	if s.Network == nil {
		return
	}
	if n.ChainID != s.Network.ChainID || n.GenesisTime != s.Network.GenesisTime {
		*n = nodes{ChainID: s.Network.ChainID, GenesisTime: s.Network.GenesisTime}
	}
	n.Gwat, n.Beacon = lastOf(n.Gwat, s.Gwat, s.At), lastOf(n.Beacon, s.Beacon, s.At)
}

// lastOf returns what a node has by a snapshot of a time, or had before.
func lastOf(before *status.LastKnown, n status.Node, at time.Time) *status.LastKnown {
	switch {
	case n.LastKnown != nil:
		return n.LastKnown
	case n.Slot != nil:
		return &status.LastKnown{At: at, Slot: n.Slot, Finalized: n.Finalized}
	}
	return before
}

// LastKnown returns what the nodes of a network had when they last answered; nil for a node
// of which that is not known.
func (m *Memory) LastKnown(spec checkpoint.Spec) (gwat, beacon *status.LastKnown) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &m.record.Nodes
	if n.ChainID != spec.DepositChainID || n.GenesisTime != spec.GenesisTime {
		return nil, nil
	}
	return n.Gwat, n.Beacon
}
