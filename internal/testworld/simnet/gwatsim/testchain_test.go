package gwatsim

import (
	"crypto/sha256"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testChain is a network written down block by block, with one beacon branch.
type testChain struct {
	justified checkpoint.Checkpoint // of every head
	spec      checkpoint.Spec
	beacon    []*world.BeaconBlock // in slot order, genesis first
	genesis   *world.DAGBlock
	slots     map[primitives.Slot][]*world.DAGBlock
	blocks    map[common.Hash]*world.DAGBlock
}

func newTestChain(genesisTime uint64, genesis common.Hash) *testChain {
	c := &testChain{
		spec: checkpoint.Spec{
			SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: 4,
			DepositChainID: 337733, GenesisTime: genesisTime, ConfigName: "test",
		},
		beacon:  []*world.BeaconBlock{{Root: common.Hash{0xbe}}},
		genesis: &world.DAGBlock{Hash: genesis},
		slots:   make(map[primitives.Slot][]*world.DAGBlock),
		blocks:  make(map[common.Hash]*world.DAGBlock),
	}
	c.slots[0] = []*world.DAGBlock{c.genesis}
	c.blocks[genesis] = c.genesis
	return c
}

// block adds a DAG block; its height is the number of its ancestors.
func (c *testChain) block(hash common.Hash, slot primitives.Slot, parents ...common.Hash) *world.DAGBlock {
	past := make(map[common.Hash]bool)
	for queue := append([]common.Hash(nil), parents...); len(queue) > 0; queue = queue[1:] {
		if !past[queue[0]] {
			past[queue[0]] = true
			queue = append(queue, c.blocks[queue[0]].Parents...)
		}
	}
	b := &world.DAGBlock{Hash: hash, Slot: slot, Height: uint64(len(past)), Parents: parents}
	c.blocks[hash] = b
	c.slots[slot] = append(c.slots[slot], b)
	return b
}

// body adds the beacon block of a slot with what it finalizes.
func (c *testChain) body(slot primitives.Slot, finalizing ...common.Hash) {
	last := c.beacon[len(c.beacon)-1]
	c.beacon = append(c.beacon, &world.BeaconBlock{
		Slot: slot, Root: sha256.Sum256(last.Root[:]), ParentRoot: last.Root, Finalization: finalizing,
	})
}

func (c *testChain) Spec() checkpoint.Spec { return c.spec }

func (c *testChain) HeadAt(slot primitives.Slot) *world.BeaconBlock {
	head := c.beacon[0]
	for _, b := range c.beacon {
		if b.Slot <= slot {
			head = b
		}
	}
	return head
}

func (c *testChain) Block(root common.Hash) (*world.BeaconBlock, bool) {
	for _, b := range c.beacon {
		if b.Root == root {
			return b, true
		}
	}
	return nil, false
}

func (c *testChain) Ancestor(head *world.BeaconBlock, slot primitives.Slot) (*world.BeaconBlock, bool) {
	b := c.HeadAt(min(slot, head.Slot))
	return b, b.Slot == slot
}

func (c *testChain) Finality(*world.BeaconBlock) world.Finality {
	return world.Finality{CurrentJustified: c.justified}
}

func (c *testChain) NextFinalization(*world.BeaconBlock) []common.Hash { return nil }
func (c *testChain) Committees(primitives.Epoch) []world.Committee     { return nil }
func (c *testChain) Validators() []world.Validator                     { return nil }
func (c *testChain) DAGGenesis() *world.DAGBlock                       { return c.genesis }
func (c *testChain) DAGSlot(slot primitives.Slot) []*world.DAGBlock    { return c.slots[slot] }
func (c *testChain) DAGBlock(hash common.Hash) (b *world.DAGBlock, ok bool) {
	b, ok = c.blocks[hash]
	return
}
