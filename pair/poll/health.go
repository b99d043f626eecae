package poll

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/reach"
)

// GwatHealth returns what a poll read of gwat in the words of package health.
func GwatHealth(o *Observation) health.Gwat {
	g := health.Gwat{
		Node:    health.Node{Reach: reach.Gwat(o.Gwat.Err), Error: failure.Message(o.Gwat.Err), Latency: o.Gwat.slowest, Peers: o.Gwat.peers},
		Syncing: o.Gwat.Sync.Syncing, SyncStage: o.Gwat.Sync.Word, CoordSlot: o.Gwat.Sync.CoordSlot, TipSlot: o.Gwat.Sync.TipSlot,
	}
	if o.Gwat.Err == nil {
		// Cheap calls were answered: a call of normal work that is not shows that gwat hangs.
		if how := reach.Gwat(o.CallsErr); how == health.Silent {
			g.Reach, g.Error = how, failure.Message(o.CallsErr)
		}
	}
	g.Identity.Client = o.Gwat.client
	if o.Identity != nil && o.Gwat.genesis != (common.Hash{}) {
		g.Identity.Chain = fmt.Sprintf("%d %s", o.Identity.GwatChainID, o.Gwat.genesis)
	}
	if n := o.number(); n != nil {
		g.Number, g.Slot = n, o.Gwat.Latest.Slot
	}
	if o.Up() && o.Gwat.Latest != nil {
		g.Compared = true
		for _, s := range o.Beacon.Head.Spines {
			g.Spines = append(g.Spines, o.State(s))
		}
	}
	return g
}

// BeaconHealth returns what a poll read of the beacon node in the words of package health.
func BeaconHealth(o *Observation) health.Beacon {
	b := health.Beacon{
		Node:    health.Node{Reach: reach.Beacon(o.Beacon.Err), Error: failure.Message(o.Beacon.Err), Latency: o.Beacon.slowest, Peers: o.Beacon.peers},
		ClockAt: o.Beacon.clockAt,
	}
	b.Identity = o.Beacon.who
	if o.Beacon.Err != nil {
		return b
	}
	b.Known, b.Head, b.Root = true, o.Beacon.Head.Header.Slot, o.Beacon.Head.Header.Root
	b.Clock = o.Beacon.Syncing.HeadSlot + primitives.Slot(o.Beacon.Syncing.Distance)
	b.Justified = o.Beacon.Justified.Epoch
	if o.Up() {
		for _, point := range o.Beacon.Points {
			if spine, ok := point.LastSpine(); ok {
				b.Points = append(b.Points, health.Point{Slot: point.Header.Slot, State: o.State(spine)})
			}
		}
	}
	return b
}
