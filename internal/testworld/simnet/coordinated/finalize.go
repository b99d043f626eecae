package coordinated

import (
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// SyncMode of a dag_finalize.
type SyncMode uint8

// The modes.
const (
	NoSync SyncMode = iota
	MainSync
	HeadSync
)

// Checkpoint of a dag_finalize. FinEpoch is the epoch of the state it was built from.
type Checkpoint struct {
	Epoch, FinEpoch uint64
	Root, Spine     common.Hash
}

// Finalize are the parameters of dag_finalize.
type Finalize struct {
	Spines     []common.Hash
	BaseSpine  *common.Hash
	Checkpoint *Checkpoint
	Mode       SyncMode
}

type checkpointJSON struct {
	Epoch    hexutil.Uint64 `json:"epoch"`
	FinEpoch hexutil.Uint64 `json:"finEpoch"`
	Root     common.Hash    `json:"root"`
	Spine    common.Hash    `json:"spine"`
}

type finalizeJSON struct {
	Spines      []common.Hash   `json:"spines"`
	BaseSpine   *common.Hash    `json:"baseSpine"`
	Checkpoint  *checkpointJSON `json:"checkpoint"`
	ValSyncData json.RawMessage `json:"valSyncData"`
	Mode        hexutil.Uint64  `json:"syncMode"`
}

// MarshalJSON writes the form that a beacon node sends.
func (f Finalize) MarshalJSON() ([]byte, error) {
	out := finalizeJSON{Spines: f.Spines, BaseSpine: f.BaseSpine, ValSyncData: json.RawMessage("null"), Mode: hexutil.Uint64(f.Mode)}
	if c := f.Checkpoint; c != nil {
		out.Checkpoint = &checkpointJSON{Epoch: hexutil.Uint64(c.Epoch), FinEpoch: hexutil.Uint64(c.FinEpoch), Root: c.Root, Spine: c.Spine}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads that form.
func (f *Finalize) UnmarshalJSON(raw []byte) error {
	var in finalizeJSON
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	*f = Finalize{Spines: in.Spines, BaseSpine: in.BaseSpine, Mode: SyncMode(in.Mode)}
	if c := in.Checkpoint; c != nil {
		f.Checkpoint = &Checkpoint{Epoch: uint64(c.Epoch), FinEpoch: uint64(c.FinEpoch), Root: c.Root, Spine: c.Spine}
	}
	return nil
}

// Answer is the result of dag_finalize and of dag_coordinatedState. All null means that
// a spine was not found.
type Answer struct {
	Error         *string      `json:"error"`
	LastFinalized *common.Hash `json:"lfSpine"`
	Epoch         *uint64      `json:"cpEpoch"`
	Root          *common.Hash `json:"cpRoot"`
}

func failedWith(format string, args ...any) Answer {
	text := fmt.Sprintf(format, args...)
	return Answer{Error: &text}
}

// The errors of a gwat, word for word.
const (
	errSynchronization = "synchronization"
	errNoPeers         = "no peers to keep download active"
	errBaseSpine       = "invalid base spine"
	errCheckpoint      = "checkpoint is invalid"
	errStopped         = "the process has ended" // no caller sees it: the connection is gone
)
