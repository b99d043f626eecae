package beaconclient

import (
	"context"
	"encoding/json"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// Syncing is the answer of /eth/v1/node/syncing. A node whose built-in driver
// still runs says IsSyncing although it is at head.
type Syncing struct {
	HeadSlot  primitives.Slot
	Distance  uint64 // slots behind the wall clock
	IsSyncing bool
}

// Syncing asks how far the node is.
func (c *Client) Syncing(ctx context.Context) (Syncing, error) {
	const path = "/eth/v1/node/syncing"
	var in struct {
		HeadSlot  *decimal `json:"head_slot"`
		Distance  *decimal `json:"sync_distance"`
		IsSyncing *bool    `json:"is_syncing"`
	}
	if err := c.get(ctx, path, nil, &in); err != nil {
		return Syncing{}, err
	}
	if err := missing(map[string]bool{"head_slot": in.HeadSlot != nil, "sync_distance": in.Distance != nil, "is_syncing": in.IsSyncing != nil}); err != nil {
		return Syncing{}, malformed(path, "%w", err)
	}
	return Syncing{HeadSlot: primitives.Slot(*in.HeadSlot), Distance: uint64(*in.Distance), IsSyncing: *in.IsSyncing}, nil
}

// Version asks what runs there; the text is cut to a sane length.
func (c *Client) Version(ctx context.Context) (string, error) {
	const path = "/eth/v1/node/version"
	var in struct {
		Version *string `json:"version"`
	}
	if err := c.get(ctx, path, nil, &in); err != nil {
		return "", err
	}
	if in.Version == nil {
		return "", malformed(path, "lacks version")
	}
	return failure.Text(*in.Version), nil
}

// PeerID asks /eth/v1/node/identity who the node is among its peers; a node without
// discovery may answer with an error. The text is cut to a sane length.
func (c *Client) PeerID(ctx context.Context) (string, error) {
	const path = "/eth/v1/node/identity"
	var in struct {
		PeerID *string `json:"peer_id"`
	}
	if err := c.get(ctx, path, nil, &in); err != nil {
		return "", err
	}
	if in.PeerID == nil {
		return "", malformed(path, "lacks peer_id")
	}
	return failure.Text(*in.PeerID), nil
}

// Peers counts the peers of a node.
type Peers struct{ Connected, Connecting uint64 }

// Peers asks /eth/v1/node/peer_count.
func (c *Client) Peers(ctx context.Context) (Peers, error) {
	const path = "/eth/v1/node/peer_count"
	var in struct {
		Connected  *decimal `json:"connected"`
		Connecting *decimal `json:"connecting"`
	}
	if err := c.get(ctx, path, nil, &in); err != nil {
		return Peers{}, err
	}
	if err := missing(map[string]bool{"connected": in.Connected != nil, "connecting": in.Connecting != nil}); err != nil {
		return Peers{}, malformed(path, "%w", err)
	}
	return Peers{Connected: uint64(*in.Connected), Connecting: uint64(*in.Connecting)}, nil
}

// PeerCount is the number of connected peers.
func (c *Client) PeerCount(ctx context.Context) (uint64, error) {
	peers, err := c.Peers(ctx)
	return peers.Connected, err
}

// Spec asks the network's constants and genesis time and checks that they can
// be used; a value of another network's spec may be of any form. A node of the
// coordinated era has no CREATORS_PER_SLOT: Spec.Era tells the eras apart.
func (c *Client) Spec(ctx context.Context) (checkpoint.Spec, error) {
	const specPath, genesisPath = "/eth/v1/config/spec", "/eth/v1/beacon/genesis"
	var in struct {
		SlotsPerEpoch   *decimal        `json:"SLOTS_PER_EPOCH"`
		SecondsPerSlot  *decimal        `json:"SECONDS_PER_SLOT"`
		CreatorsPerSlot *decimal        `json:"CREATORS_PER_SLOT"`
		SpinesLimit     *decimal        `json:"ALL_SPINES_LIMIT"`
		DepositChainID  *decimal        `json:"DEPOSIT_CHAIN_ID"`
		ConfigName      json.RawMessage `json:"CONFIG_NAME"`
	}
	if err := c.get(ctx, specPath, nil, &in); err != nil {
		return checkpoint.Spec{}, err
	}
	if err := missing(map[string]bool{
		"SLOTS_PER_EPOCH": in.SlotsPerEpoch != nil, "SECONDS_PER_SLOT": in.SecondsPerSlot != nil,
		"DEPOSIT_CHAIN_ID":                       in.DepositChainID != nil,
		"CREATORS_PER_SLOT and ALL_SPINES_LIMIT": in.CreatorsPerSlot != nil || in.SpinesLimit != nil,
	}); err != nil {
		return checkpoint.Spec{}, malformed(specPath, "%w: not a beacon node of a gwat network?", err)
	}
	var genesis struct {
		Time *decimal `json:"genesis_time"`
	}
	if err := c.get(ctx, genesisPath, nil, &genesis); err != nil {
		return checkpoint.Spec{}, err
	}
	if genesis.Time == nil {
		return checkpoint.Spec{}, malformed(genesisPath, "lacks genesis_time")
	}
	spec := checkpoint.Spec{
		SlotsPerEpoch:  uint64(*in.SlotsPerEpoch),
		SecondsPerSlot: uint64(*in.SecondsPerSlot),
		DepositChainID: uint64(*in.DepositChainID),
		GenesisTime:    uint64(*genesis.Time),
	}
	switch {
	case in.CreatorsPerSlot == nil:
	case *in.CreatorsPerSlot == 0:
		return checkpoint.Spec{}, malformed(specPath, "CREATORS_PER_SLOT is 0, want at least 1")
	default:
		spec.CreatorsPerSlot = uint64(*in.CreatorsPerSlot)
	}
	var name string
	if json.Unmarshal(in.ConfigName, &name) == nil {
		spec.ConfigName = failure.Text(name) // a label only: a node without one works as well
	}
	if err := spec.Validate(); err != nil {
		return checkpoint.Spec{}, failure.Newf(failure.RetryLater, "GET %s: %w: %w", specPath, ErrMalformed, err)
	}
	return spec, nil
}
