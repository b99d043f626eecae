package checkpoint

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// Checkpoint is a beacon checkpoint: an epoch and the root of its first block.
// Before the first justification both are zero and it means genesis.
type Checkpoint struct {
	Epoch primitives.Epoch `json:"epoch"`
	Root  common.Hash      `json:"root"`
}

// IsGenesis reports whether nothing was justified yet.
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

// MarshalJSON returns the wire form; empty lists are [], never null.
func (c ConsensusInfo) MarshalJSON() ([]byte, error) {
	return c.AppendJSON(make([]byte, 0, c.JSONSize())), nil
}

// The parts of the wire form.
const (
	jsonSlot       = `{"slot":"0x`
	jsonCreators   = `","creators":[`
	jsonFinalizing = `],"finalizing":[`
	jsonEnd        = `]}`
	jsonQuoted     = `"0x",` // what a hash or an address has besides its digits
)

// AppendJSON appends the wire form to b. It is written by hand: a push has thousands
// of entries, and gwat waits while they are encoded.
func (c ConsensusInfo) AppendJSON(b []byte) []byte {
	b = append(b, jsonSlot...)
	b = strconv.AppendUint(b, uint64(c.Slot), 16)
	b = append(b, jsonCreators...)
	for i := range c.Creators {
		b = appendHex(b, i, c.Creators[i][:])
	}
	b = append(b, jsonFinalizing...)
	for i := range c.Finalizing {
		b = appendHex(b, i, c.Finalizing[i][:])
	}
	return append(b, jsonEnd...)
}

func appendHex(b []byte, i int, value []byte) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = append(b, '"', '0', 'x')
	b = hex.AppendEncode(b, value)
	return append(b, '"')
}

// JSONSize is the length of the wire form in bytes.
func (c ConsensusInfo) JSONSize() int {
	digits := max(1, (bits.Len64(uint64(c.Slot))+3)/4)
	size := len(jsonSlot) + digits + len(jsonCreators) + len(jsonFinalizing) + len(jsonEnd)
	size += len(c.Creators) * (2*common.AddressLength + len(jsonQuoted))
	size += len(c.Finalizing) * (2*common.HashLength + len(jsonQuoted))
	for _, n := range []int{len(c.Creators), len(c.Finalizing)} {
		size -= min(n, 1) // no comma after the last one
	}
	return size
}

// ErrNoSlot is the error of a ConsensusInfo whose JSON has no slot.
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
