package world

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// Chain is the network as its peers know it. Blocks and slices it returns are
// shared and must not be changed. It is safe for concurrent use.
type Chain interface {
	// Spec gives the network's constants; GenesisTime is Unix seconds.
	Spec() checkpoint.Spec

	// HeadAt is the head everybody sees during a slot (forks resolve with time,
	// so a later head need not descend from an earlier one).
	HeadAt(slot primitives.Slot) *BeaconBlock
	// Block finds a beacon block, canonical or not, by its root.
	Block(root common.Hash) (*BeaconBlock, bool)
	// Ancestor is the block at slot in the chain of head; false if the slot is
	// empty in it.
	Ancestor(head *BeaconBlock, slot primitives.Slot) (*BeaconBlock, bool)
	// Finality gives the checkpoints in the state after head.
	Finality(head *BeaconBlock) Finality
	// NextFinalization is what the body of a child of head will carry (the
	// finalization in the state after head).
	NextFinalization(head *BeaconBlock) []common.Hash
	// Committees are those of an epoch, by slot and index.
	Committees(epoch primitives.Epoch) []Committee
	// Validators are all of them; the index is the position.
	Validators() []Validator

	// DAGGenesis is gwat's genesis block (slot, height and number 0).
	DAGGenesis() *DAGBlock
	// DAGSlot lists the gwat blocks created in a slot, in no special order.
	DAGSlot(slot primitives.Slot) []*DAGBlock
	// DAGBlock finds a gwat block by its hash.
	DAGBlock(hash common.Hash) (*DAGBlock, bool)
}

// BeaconBlock is the part of a beacon block that the simulated nodes serve.
type BeaconBlock struct {
	Slot         primitives.Slot
	Root         common.Hash
	ParentRoot   common.Hash
	StateRoot    common.Hash
	Proposer     uint64
	Candidates   []common.Hash
	Finalization []common.Hash
	Eth1Hash     common.Hash // eth1_data.block_hash
}

// Finality holds the checkpoints of a state.
type Finality struct {
	PreviousJustified checkpoint.Checkpoint
	CurrentJustified  checkpoint.Checkpoint
	Finalized         checkpoint.Checkpoint
}

// Committee is one committee of one slot.
type Committee struct {
	Slot       primitives.Slot
	Index      uint64
	Validators []uint64
}

// Validator is what the creators rule needs of a validator, and its key.
type Validator struct {
	Pubkey                []byte // 48 bytes
	WithdrawalCredentials common.Hash
}

// DAGBlock is a gwat block. Height counts its ancestors, so that a block that
// is finalized as a spine gets number == height. Number is not part of it: it
// is given by the order in which a node finalizes.
type DAGBlock struct {
	Hash    common.Hash
	Slot    primitives.Slot
	Height  uint64
	Parents []common.Hash
	Creator common.Address
}
