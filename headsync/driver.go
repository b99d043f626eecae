package headsync

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/protocol"
)

// Driver makes the calls that change gwat. An attempt prepares, pushes and releases.
type Driver = protocol.Driver[checkpoint.ConsensusInfo]

// Gwat is what is read from gwat. Its methods are called concurrently.
type Gwat interface {
	protocol.Reader
	Latest(ctx context.Context) (*gwatclient.Block, error)
	BlocksByHash(ctx context.Context, hashes []common.Hash) ([]*gwatclient.Block, error)
	BlocksByNumber(ctx context.Context, from, to uint64) ([]*gwatclient.Block, error)
}

// Chain is what is read from the beacon node beside the collection.
type Chain interface {
	Beacon
	Finality(ctx context.Context, state beaconclient.StateID) (beaconclient.Finality, error)
}

// Ledger records what was sent and what was confirmed. A ready and a push are recorded
// before they are sent, so that the calls of a syncd that died in between are not taken
// for those of a competing driver (S1, S6).
type Ledger interface {
	SetPending(checkpoint.Pending)
	ClearPending()
	SetConfirmed(checkpoint.Confirmed)
}
