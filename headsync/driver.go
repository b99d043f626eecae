package headsync

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
)

// Driver is all in which the two generations of the protocol differ: how gwat
// is made ready and how it is handed the data. The head-sync generation is
// gwatclient.Client itself.
type Driver interface {
	// HeadSyncReady asks gwat to stand at the checkpoint and wait for the push.
	HeadSyncReady(ctx context.Context, cp checkpoint.ConsensusInfo) (bool, error)
	// HeadSync hands over the entries that follow.
	HeadSync(ctx context.Context, infos []checkpoint.ConsensusInfo) (bool, error)
}

// Gwat is what is read from gwat.
type Gwat interface {
	Syncing(ctx context.Context) (gwatclient.SyncStatus, error)
	Latest(ctx context.Context) (*gwatclient.Block, error)
	BlocksByHash(ctx context.Context, hashes []common.Hash) ([]*gwatclient.Block, error)
	BlocksByNumber(ctx context.Context, from, to uint64) ([]*gwatclient.Block, error)
}

// Chain is what is read from the beacon node beside the collection.
type Chain interface {
	Beacon
	Finality(ctx context.Context, state beaconclient.StateID) (beaconclient.Finality, error)
}

// Ledger remembers what was sent and what was confirmed. A ready and a push are
// written down before they are sent, so that a syncd that died in between can
// be told from another driver (S1, S6).
type Ledger interface {
	SetPending(checkpoint.Pending)
	ClearPending()
	SetConfirmed(checkpoint.Confirmed)
}
