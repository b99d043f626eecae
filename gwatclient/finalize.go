package gwatclient

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/failure"
)

// SyncMode says where a dag_finalize of the coordinated era takes missing blocks from.
type SyncMode uint8

// The sync modes.
const (
	ModeNoSync   SyncMode = 0 // a new head: what is missing is asked from peers afterwards
	ModeMainSync SyncMode = 1 // one epoch of the past: loaded from peers, also what is local
	ModeHeadSync SyncMode = 2 // the head: loads from the checkpoint's spine to now; needs a peer
)

// FinalizeCheckpoint is the checkpoint of a dag_finalize. gwat stores it unchecked: its
// spine must be final in gwat before the call, or gwat loses blocks at its next start.
type FinalizeCheckpoint struct {
	Epoch    primitives.Epoch // of the checkpoint
	FinEpoch primitives.Epoch // in which it became final
	Root     common.Hash      // a beacon block
	Spine    common.Hash
}

// Finalization is the parameter of dag_finalize in the coordinated era.
type Finalization struct {
	Spines     []common.Hash       // oldest first; they follow Base
	Base       common.Hash         // the last spine that is final already
	Checkpoint *FinalizeCheckpoint // nil changes nothing in gwat: the answer is its state
	// ValSyncData is what the coordinator says of validators; nil is null. A driver that
	// leaves out what the beacon node would have sent forks gwat's state.
	ValSyncData json.RawMessage
	Mode        SyncMode
}

// MarshalJSON returns the wire form, in which numbers are hex texts.
func (f Finalization) MarshalJSON() ([]byte, error) {
	type point struct {
		Epoch    hexutil.Uint64 `json:"epoch"`
		FinEpoch hexutil.Uint64 `json:"finEpoch"`
		Root     common.Hash    `json:"root"`
		Spine    common.Hash    `json:"spine"`
	}
	out := struct {
		Spines      []common.Hash   `json:"spines"`
		Base        common.Hash     `json:"baseSpine"`
		Checkpoint  *point          `json:"checkpoint"`
		ValSyncData json.RawMessage `json:"valSyncData"`
		Mode        hexutil.Uint64  `json:"syncMode"`
	}{Spines: hashes(f.Spines), Base: f.Base, ValSyncData: f.ValSyncData, Mode: hexutil.Uint64(f.Mode)}
	if c := f.Checkpoint; c != nil {
		out.Checkpoint = &point{hexutil.Uint64(c.Epoch), hexutil.Uint64(c.FinEpoch), c.Root, c.Spine}
	}
	return json.Marshal(out)
}

// FinalizeCoordinated makes the coordinated era's dag_finalize, which only ctx
// bounds. It changes gwat: after an error for which PossiblyDone is true gwat may still
// do it. The same call again, or an older one of the same chain, changes nothing but
// the stored checkpoint. Its errors, beside those of every call:
//
//   - ErrNullState: gwat changed nothing, a spine or its ancestors are missing;
//   - ErrRanBeside: done, the state is returned too; another sync ran meanwhile;
//   - ErrSynchronization alone: another sync runs, and this call came to nothing;
//   - ErrInvalidBase, ErrNoPeers, ErrBusy: gwat's own reason.
func (c Changes) FinalizeCoordinated(ctx context.Context, f Finalization) (CoordinatedState, error) {
	const method = "dag_finalize"
	switch {
	case f.Mode > ModeHeadSync:
		return CoordinatedState{}, failure.Newf(failure.Abort, "%s: not sent: no sync mode %d", method, f.Mode)
	case f.Base == common.Hash{}:
		return CoordinatedState{}, failure.Newf(failure.Abort, "%s: not sent: it names no base spine", method)
	case f.Checkpoint != nil && f.Checkpoint.Spine == common.Hash{}:
		return CoordinatedState{}, failure.Newf(failure.Abort, "%s: not sent: its checkpoint names no spine", method)
	}
	raw, err := c.change(ctx, method, f)
	if err != nil {
		return CoordinatedState{}, err
	}
	return decodeCoordinatedState(method, raw)
}

// ValidateFinalization asks whether every spine is final in gwat
// (dag_validateFinalization), and returns the first that is not, nil for none.
func (c *Client) ValidateFinalization(ctx context.Context, spines []common.Hash) (*common.Hash, error) {
	const method = "dag_validateFinalization"
	final, err := boolAnswer(method)(c.read(ctx, method, hashes(spines)))
	var missing *missingSpine
	switch {
	case errors.As(err, &missing):
		return &missing.spine, nil
	case err == nil && !final:
		return nil, malformed(method, "false, want true or the spine that is missing")
	}
	return nil, err
}

// missingSpine is the JSON-RPC error that names a spine.
type missingSpine struct {
	spine common.Hash
	error
}

func (m *missingSpine) Unwrap() error { return m.error }

// spineNotFound reads "spine not found: 0x…", nil for any other text.
func spineNotFound(method, text string) error {
	hex, found := strings.CutPrefix(strings.TrimSpace(text), ErrSpineNotFound.Error()+": ")
	raw, err := hexutil.Decode(hex)
	if !found || err != nil || len(raw) != common.HashLength {
		return nil
	}
	return &missingSpine{common.Hash(raw), failure.Newf(failure.RetryLater, "%s: %w: %s", method, ErrSpineNotFound, hex)}
}

// Peer is a peer of gwat's.
type Peer struct {
	Enode   string // of an inbound peer: with the port it came from, where it does not listen
	Name    string // its client and version
	Inbound bool
	Static  bool // kept by admin_addPeer or the configuration
}

// Peers asks admin_peers, which only IPC serves.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	const method = "admin_peers"
	raw, err := c.read(ctx, method)
	if err != nil {
		return nil, err
	}
	var in []struct {
		Enode   *string `json:"enode"`
		Name    string  `json:"name"`
		Network struct {
			Inbound bool `json:"inbound"`
			Static  bool `json:"static"`
		} `json:"network"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, malformed(method, "%w", err)
	}
	if in == nil {
		return nil, malformed(method, "null")
	}
	peers := make([]Peer, 0, len(in))
	for _, p := range in {
		if p.Enode == nil || !isEnode(*p.Enode) {
			return nil, malformed(method, "a peer without an enode")
		}
		peers = append(peers, Peer{Enode: *p.Enode, Name: failure.Text(p.Name), Inbound: p.Network.Inbound, Static: p.Network.Static})
	}
	return peers, nil
}

// AddPeer has gwat connect to a peer and keep it until gwat's next start
// (admin_addPeer, IPC only). It returns before gwat has dialled.
func (c Changes) AddPeer(ctx context.Context, enode string) error {
	const method = "admin_addPeer"
	if !isEnode(enode) {
		return failure.Newf(failure.Abort, "%s: not sent: %s is no enode", method, failure.Text(enode))
	}
	added, err := boolAnswer(method)(c.work(ctx, method, enode))
	if err == nil && !added {
		return failure.Newf(failure.RetryLater, "%s: %w: false", method, ErrResult)
	}
	return err
}

const maxEnode = 512

func isEnode(text string) bool {
	return strings.HasPrefix(text, "enode://") && len(text) <= maxEnode &&
		!strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
