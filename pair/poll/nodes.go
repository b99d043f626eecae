package poll

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
)

// GwatNode is what the loop reads of a gwat; gwatclient.Client has it. The calls that
// change gwat are not among it: those need a guard.Permit.
type GwatNode interface {
	headsync.Gwat
	Candidates(ctx context.Context, slot primitives.Slot) ([]common.Hash, error)
	SyncSlotInfo(ctx context.Context, info gwatclient.SlotInfo) (bool, error)
	ChainID(ctx context.Context) (uint64, error)
	PeerCount(ctx context.Context) (uint64, error)
	ClientVersion(ctx context.Context) (string, error)
	Endpoint() string
	Close()
}

// BeaconNode is what the loop needs of a beacon node; beaconclient.Client has it.
type BeaconNode interface {
	headsync.Chain
	Syncing(ctx context.Context) (beaconclient.Syncing, error)
	Spec(ctx context.Context) (checkpoint.Spec, error)
	Version(ctx context.Context) (string, error)
	PeerID(ctx context.Context) (string, error)
	PeerCount(ctx context.Context) (uint64, error)
	Events(ctx context.Context, opts beaconclient.StreamOptions) <-chan beaconclient.Event
	URL() string
	Close()
}
