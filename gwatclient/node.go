package gwatclient

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/failure"
)

// Stage is what eth_syncing says gwat is doing; "" when it is not syncing.
type Stage string

// The stages of eth_syncing.
const (
	StageFinalized Stage = "finalized" // the finalized chain, from its peers
	StageDAG       Stage = "dag"       // the DAG after the last checkpoint
	StageHead      Stage = "head"      // a ready was answered true: the head lock is held
	StageResync    Stage = "resync"    // behind its tips, and no sync runs
	StageNone      Stage = "none"
)

// SyncStatus is the answer of eth_syncing; all but Syncing is zero when it is false.
type SyncStatus struct {
	Syncing       bool
	Stage         Stage
	CurrentBlock  uint64
	HighestBlock  uint64
	LastCoordSlot primitives.Slot // newest slot that a dag_sync of normal work has named
	MaxBlockSlot  primitives.Slot // newest slot among gwat's tips
}

// Syncing asks eth_syncing.
func (c *Client) Syncing(ctx context.Context) (SyncStatus, error) {
	const method = "eth_syncing"
	raw, err := c.read(ctx, method)
	if err != nil {
		return SyncStatus{}, err
	}
	return decodeSyncing(method, raw)
}

func decodeSyncing(method string, raw json.RawMessage) (SyncStatus, error) {
	if string(raw) == "false" {
		return SyncStatus{}, nil
	}
	var in struct {
		Stage         *Stage          `json:"stage"`
		CurrentBlock  *hexutil.Uint64 `json:"currentBlock"`
		HighestBlock  *hexutil.Uint64 `json:"highestBlock"`
		LastCoordSlot *uint64         `json:"lastCoordSlot"`
		MaxBlockSlot  *uint64         `json:"maxBlockSlot"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return SyncStatus{}, malformed(method, "%w", err)
	}
	if in.Stage == nil || in.CurrentBlock == nil || in.HighestBlock == nil || in.LastCoordSlot == nil || in.MaxBlockSlot == nil {
		return SyncStatus{}, malformed(method, "want stage, currentBlock, highestBlock, lastCoordSlot and maxBlockSlot, got %s", failure.Text(string(raw)))
	}
	switch *in.Stage {
	case StageFinalized, StageDAG, StageHead, StageResync, StageNone:
	default:
		return SyncStatus{}, malformed(method, "unknown stage %q", failure.Text(string(*in.Stage)))
	}
	return SyncStatus{
		Syncing:       true,
		Stage:         *in.Stage,
		CurrentBlock:  uint64(*in.CurrentBlock),
		HighestBlock:  uint64(*in.HighestBlock),
		LastCoordSlot: primitives.Slot(*in.LastCoordSlot),
		MaxBlockSlot:  primitives.Slot(*in.MaxBlockSlot),
	}, nil
}

// BlockNumber is the number of the last finalized block (eth_blockNumber); it
// goes back when gwat is rolled back.
func (c *Client) BlockNumber(ctx context.Context) (uint64, error) {
	return c.quantity(ctx, "eth_blockNumber")
}

// PeerCount asks net_peerCount.
func (c *Client) PeerCount(ctx context.Context) (uint64, error) {
	return c.quantity(ctx, "net_peerCount")
}

// ChainID asks eth_chainId.
func (c *Client) ChainID(ctx context.Context) (uint64, error) {
	return c.quantity(ctx, "eth_chainId")
}

func (c *Client) quantity(ctx context.Context, method string) (uint64, error) {
	raw, err := c.read(ctx, method)
	if err != nil {
		return 0, err
	}
	return decodeQuantity(method, raw)
}

var errNull = errors.New("null")

func decodeQuantity(method string, raw json.RawMessage) (uint64, error) {
	var value *hexutil.Uint64
	err := json.Unmarshal(raw, &value)
	if err == nil && value == nil {
		err = errNull
	}
	if err != nil {
		return 0, malformed(method, "want a hex number: %w", err)
	}
	return uint64(*value), nil
}

// ClientVersion asks web3_clientVersion; the text is cut to a sane length.
func (c *Client) ClientVersion(ctx context.Context) (string, error) {
	const method = "web3_clientVersion"
	raw, err := c.read(ctx, method)
	if err != nil {
		return "", err
	}
	var version *string
	err = json.Unmarshal(raw, &version)
	if err == nil && version == nil {
		err = errNull
	}
	if err != nil {
		return "", malformed(method, "want a text: %w", err)
	}
	return failure.Text(*version), nil
}
