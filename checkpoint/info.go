package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// Checkpoint is a beacon checkpoint: an epoch and the root of its first block.
// Before the first justification both are zero and it stands for genesis.
type Checkpoint struct {
	Epoch primitives.Epoch `json:"epoch"`
	Root  common.Hash      `json:"root"`
}

// IsGenesis tells that nothing was justified yet.
func (c Checkpoint) IsGenesis() bool { return c.Root == (common.Hash{}) }

// ConsensusInfo is what gwat is told about one slot: who may create gwat
// blocks in it and which spines the beacon block of the slot finalizes, in order.
// Its JSON is gwat's wire form: {"slot":"0x60","creators":[…],"finalizing":[…]}.
type ConsensusInfo struct {
	Slot       primitives.Slot
	Creators   []common.Address
	Finalizing []common.Hash
}

type consensusInfoJSON struct {
	Slot       *hexutil.Uint64  `json:"slot"`
	Creators   []common.Address `json:"creators"`
	Finalizing []common.Hash    `json:"finalizing"`
}

// MarshalJSON writes the wire form; empty lists are [], never null.
func (c ConsensusInfo) MarshalJSON() ([]byte, error) {
	slot := hexutil.Uint64(c.Slot)
	out := consensusInfoJSON{Slot: &slot, Creators: c.Creators, Finalizing: c.Finalizing}
	if out.Creators == nil {
		out.Creators = []common.Address{}
	}
	if out.Finalizing == nil {
		out.Finalizing = []common.Hash{}
	}
	return json.Marshal(out)
}

// ErrNoSlot tells a ConsensusInfo whose JSON has no slot.
var ErrNoSlot = errors.New("consensus info without a slot")

// UnmarshalJSON reads the wire form; the slot must be there.
func (c *ConsensusInfo) UnmarshalJSON(data []byte) error {
	var in consensusInfoJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("consensus info: %w", err)
	}
	if in.Slot == nil {
		return ErrNoSlot
	}
	*c = ConsensusInfo{Slot: primitives.Slot(*in.Slot), Creators: in.Creators, Finalizing: in.Finalizing}
	return nil
}

// LastSpine is the spine that gwat looks at in a checkpoint: the last of
// Finalizing; false if the entry finalizes nothing.
func (c ConsensusInfo) LastSpine() (common.Hash, bool) {
	if len(c.Finalizing) == 0 {
		return common.Hash{}, false
	}
	return c.Finalizing[len(c.Finalizing)-1], true
}
