package world

import (
	"bytes"
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// splitEvery is how often, in slots, the creators of a slot have not yet seen
// the blocks of the slot before: its spine then does not descend from the
// former one, and a beacon branch can name only one of the two.
const splitEvery = 6

// maxSideView is how many slots old the view of a side block's creator may be.
const maxSideView = 3

// dag is the gwat side of a generated world. The first block of a slot in the
// order rule (height desc, parents desc, hash asc) is its spine; it knows every
// block of the slots that its creator has seen.
type dag struct {
	cfg    Config
	slots  []dagSlot
	byHash map[common.Hash]*DAGBlock
	recent []*tip // blocks that may still become parents
}

type dagSlot struct {
	blocks []*DAGBlock // the spine first; empty in a quiet slot
	total  uint64      // blocks up to and in this slot, genesis included
	view   primitives.Slot
	latest primitives.Slot // newest slot with blocks up to this one
	split  bool            // the spine does not descend from the one of the slot before
}

// tip is a block with the slot of its first child; 0 as long as it has none.
type tip struct {
	block *DAGBlock
	child primitives.Slot
}

func newDAG(cfg Config) *dag {
	d := newDigest("gwat genesis", cfg.Seed)
	d.number(cfg.ChainID)
	genesis := &DAGBlock{Hash: d.sum(0)}
	return &dag{
		cfg:    cfg,
		slots:  []dagSlot{{blocks: []*DAGBlock{genesis}, total: 1}},
		byHash: map[common.Hash]*DAGBlock{genesis.Hash: genesis},
		recent: []*tip{{block: genesis}},
	}
}

// spine is the spine of a slot; nil in a quiet slot.
func (d *dag) spine(slot primitives.Slot) *DAGBlock {
	if blocks := d.slots[slot].blocks; len(blocks) > 0 {
		return blocks[0]
	}
	return nil
}

// extend creates the next slot, whose creators are given.
func (d *dag) extend(creators []common.Address) {
	slot := primitives.Slot(len(d.slots))
	before := d.slots[slot-1]
	r := random(d.cfg.Seed, forDAG, uint64(slot))
	quiet := r.Float64() < d.cfg.QuietRate
	split := r.IntN(splitEvery) == 0 && d.cfg.MaxBlocksPerSlot > 1 && slot > 1 && !before.split && len(before.blocks) > 0
	if quiet || len(creators) == 0 {
		d.slots = append(d.slots, dagSlot{total: before.total, latest: before.latest})
		return
	}

	next := dagSlot{view: slot - 1, latest: slot, split: split}
	if split {
		next.view = slot - 2
	}
	// A creator makes at most one block a slot.
	order := r.Perm(len(creators))
	count := 1 + r.IntN(min(int(d.cfg.MaxBlocksPerSlot), len(creators)))
	for i, creator := range order[:count] {
		parents, height := d.tips(next.view), d.slots[next.view].total
		if i > 0 {
			back := min(primitives.Slot(r.IntN(maxSideView)), next.view)
			parents, height = d.sideParents(next.view-back, r.Uint64())
		}
		next.blocks = append(next.blocks, d.build(slot, uint64(i), height, parents, creators[creator]))
	}
	sort.Slice(next.blocks, func(i, j int) bool { return inOrder(next.blocks[i], next.blocks[j]) })
	next.total = before.total + uint64(len(next.blocks))
	d.slots = append(d.slots, next)
	d.adopt(next.blocks)
}

// tips are the blocks up to a slot that have no child up to it.
func (d *dag) tips(view primitives.Slot) []*DAGBlock {
	var out []*DAGBlock
	for _, t := range d.recent {
		if t.block.Slot <= view && (t.child == 0 || t.child > view) {
			out = append(out, t.block)
		}
	}
	return out
}

// sideParents chooses some of the tips up to a slot, always with the newest
// spine among them, and counts the ancestors that they have together.
func (d *dag) sideParents(view primitives.Slot, choice uint64) ([]*DAGBlock, uint64) {
	newest := d.slots[view].latest
	spine := d.spine(newest)
	parents := []*DAGBlock{spine}
	for i, t := range d.tips(view) {
		if t != spine && choice>>(i%64)&1 == 1 {
			parents = append(parents, t)
		}
	}
	// The spine knows everything up to its own view: only newer blocks are counted one by one.
	known := d.slots[newest].view
	if newest == 0 {
		return parents, 1
	}
	seen := make(map[common.Hash]bool)
	queue := append([]*DAGBlock(nil), parents...)
	for len(queue) > 0 {
		block := queue[0]
		queue = queue[1:]
		if block.Slot <= known || seen[block.Hash] {
			continue
		}
		seen[block.Hash] = true
		for _, hash := range block.Parents {
			queue = append(queue, d.byHash[hash])
		}
	}
	return parents, d.slots[known].total + uint64(len(seen))
}

func (d *dag) build(slot primitives.Slot, index, height uint64, parents []*DAGBlock, creator common.Address) *DAGBlock {
	block := &DAGBlock{Slot: slot, Height: height, Creator: creator, Parents: make([]common.Hash, len(parents))}
	for i, parent := range parents {
		block.Parents[i] = parent.Hash
	}
	h := newDigest("gwat block", d.cfg.Seed)
	h.number(uint64(slot))
	h.number(index)
	h.number(height)
	h.Write(creator[:])
	h.hashes(block.Parents)
	block.Hash = h.sum(slot)
	return block
}

// adopt makes the blocks of a new slot known and drops tips nobody can choose any more.
func (d *dag) adopt(blocks []*DAGBlock) {
	slot := blocks[0].Slot
	used := make(map[common.Hash]bool)
	for _, block := range blocks {
		d.byHash[block.Hash] = block
		for _, parent := range block.Parents {
			used[parent] = true
		}
	}
	kept := d.recent[:0]
	for _, t := range d.recent {
		if t.child == 0 && used[t.block.Hash] {
			t.child = slot
		}
		if t.child == 0 || t.child+maxSideView+2 > slot {
			kept = append(kept, t)
		}
	}
	for _, block := range blocks {
		kept = append(kept, &tip{block: block})
	}
	d.recent = kept
}

// inOrder is the order of blocks within a slot.
func inOrder(a, b *DAGBlock) bool {
	if a.Height != b.Height {
		return a.Height > b.Height
	}
	if len(a.Parents) != len(b.Parents) {
		return len(a.Parents) > len(b.Parents)
	}
	return bytes.Compare(a.Hash[:], b.Hash[:]) < 0
}
