package watch

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/protocol"
)

// Gwat is what the loop reads of gwat. No call changes it. protocol.Coordinated is one.
// The methods are called concurrently.
type Gwat interface {
	protocol.Reader
	Endpoint() string
	ChainID(ctx context.Context) (uint64, error)
	ClientVersion(ctx context.Context) (string, error)
	PeerCount(ctx context.Context) (uint64, error)
	Latest(ctx context.Context) (*gwatclient.Block, error)
	BlockByHash(ctx context.Context, hash common.Hash) (*gwatclient.Block, error)
	WatInfo(ctx context.Context) (gwatclient.WatInfo, error)
	Peers(ctx context.Context) ([]gwatclient.Peer, error)
}

// Changes are the calls of heals, which change gwat. A try makes one after the other.
type Changes interface {
	protocol.Driver[gwatclient.Finalization]
	AddPeer(ctx context.Context, enode string) error
}

// ChangesOf returns the calls that change a gwat, for the holder of a permit.
func ChangesOf(g protocol.Coordinated) func(guard.Permit) Changes {
	type both struct {
		protocol.Driver[gwatclient.Finalization]
		gwatclient.Changes
	}
	return func(p guard.Permit) Changes { return both{g.Driver(p), g.Changes(p)} }
}

// Beacon is what the loop needs of the beacon node. *beaconclient.Client is one. The
// methods are called concurrently, Events once.
type Beacon interface {
	URL() string
	Spec(ctx context.Context) (checkpoint.Spec, error)
	Version(ctx context.Context) (string, error)
	PeerCount(ctx context.Context) (uint64, error)
	Syncing(ctx context.Context) (beaconclient.Syncing, error)
	Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error)
	Finality(ctx context.Context, state beaconclient.StateID) (beaconclient.Finality, error)
	SpineData(ctx context.Context, state beaconclient.StateID) (beaconclient.SpineData, error)
	Operations(ctx context.Context, state beaconclient.StateID, from primitives.Epoch) ([]beaconclient.Operation, error)
	Events(ctx context.Context, opts beaconclient.StreamOptions) <-chan beaconclient.Event
}
