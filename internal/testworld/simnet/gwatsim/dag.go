package gwatsim

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// dag holds the blocks that the node has. It asks the chain by slot only: a
// hash that a caller sends is looked up in what was loaded and nowhere else.
type dag struct {
	chain  world.Chain
	blocks map[common.Hash]*world.DAGBlock
	slots  map[primitives.Slot][]*world.DAGBlock
	newest primitives.Slot // with a block
	// to is the slot up to which every slot is loaded.
	to primitives.Slot
}

func newDAG(chain world.Chain) *dag {
	d := &dag{chain: chain, blocks: make(map[common.Hash]*world.DAGBlock), slots: make(map[primitives.Slot][]*world.DAGBlock)}
	d.load(0)
	return d
}

func (d *dag) find(hash common.Hash) (*world.DAGBlock, bool) {
	block, ok := d.blocks[hash]
	return block, ok
}

// load takes in the blocks of one slot.
func (d *dag) load(slot primitives.Slot) {
	blocks := d.chain.DAGSlot(slot)
	if len(blocks) == 0 {
		return
	}
	d.slots[slot] = blocks
	for _, block := range blocks {
		d.blocks[block.Hash] = block
	}
	d.newest = max(d.newest, slot)
}

// loadTo takes in every slot up to one.
func (d *dag) loadTo(slot primitives.Slot) {
	for d.to < slot {
		d.to++
		d.load(d.to)
	}
}

// drop forgets the blocks from a slot on.
func (d *dag) drop(from primitives.Slot) {
	d.newest = 0
	for slot, blocks := range d.slots {
		if slot < from {
			d.newest = max(d.newest, slot)
			continue
		}
		for _, block := range blocks {
			delete(d.blocks, block.Hash)
		}
		delete(d.slots, slot)
	}
	if from > 0 {
		d.to = min(d.to, from-1)
	}
}

// candidates are the spines after last, up to a slot, oldest first. The spine
// of a slot is its first block in the order rule; a slot whose spine does not
// descend from the spine before gives none.
func (d *dag) candidates(last *world.DAGBlock, upTo primitives.Slot) []common.Hash {
	out := []common.Hash{}
	for slot := last.Slot + 1; slot <= min(upTo, d.newest); slot++ {
		blocks := d.slots[slot]
		if len(blocks) == 0 {
			continue
		}
		spine := slices.MinFunc(blocks, compareInSlot)
		if d.descends(spine, last) {
			out = append(out, spine.Hash)
			last = spine
		}
	}
	return out
}

// descends reports whether ancestor is in the past of block.
func (d *dag) descends(block, ancestor *world.DAGBlock) bool {
	seen := make(map[common.Hash]bool)
	for queue := slices.Clone(block.Parents); len(queue) > 0; queue = queue[1:] {
		if queue[0] == ancestor.Hash {
			return true
		}
		parent, ok := d.blocks[queue[0]]
		if !ok || seen[queue[0]] || parent.Slot <= ancestor.Slot {
			continue
		}
		seen[queue[0]] = true
		queue = append(queue, parent.Parents...)
	}
	return false
}
