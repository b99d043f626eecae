package sentlist

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// maxCollected bounds what is kept of a collection: the entries of 65,536 slots.
const maxCollected = 1 << 16

// Collected keeps what was collected over REST in short: of each slot the newest entry.
// It is safe for concurrent use; its zero value is ready.
type Collected struct {
	mu    sync.Mutex
	slots []primitives.Slot // sorted; the newest maxCollected
	short map[primitives.Slot]short
}

// short is an entry in short: the first bytes of its hashes.
type short struct{ root, parent, content uint64 }

// Add keeps an entry of the block root.
func (c *Collected) Add(root, parent common.Hash, info checkpoint.ConsensusInfo) {
	e := short{root: head(root), parent: head(parent), content: content(info)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.short == nil {
		c.short = make(map[primitives.Slot]short)
	}
	if _, known := c.short[info.Slot]; !known {
		i, _ := slices.BinarySearch(c.slots, info.Slot)
		c.slots = slices.Insert(c.slots, i, info.Slot)
	}
	c.short[info.Slot] = e
	if len(c.slots) > maxCollected {
		delete(c.short, c.slots[0])
		c.slots = c.slots[1:]
	}
}

// Forget drops all that is kept.
func (c *Collected) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slots, c.short = nil, nil
}

// chain returns the kept entries of the chain that ends with the block root at slot, by
// slot, and the lowest slot that it reaches; false if that block is not kept.
func (c *Collected) chain(root common.Hash, slot primitives.Slot) (map[primitives.Slot]uint64, primitives.Slot, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.short[slot]
	if !ok || e.root != head(root) {
		return nil, 0, false
	}
	out, low := map[primitives.Slot]uint64{slot: e.content}, slot
	i, _ := slices.BinarySearch(c.slots, slot)
	for i--; i >= 0; i-- {
		below := c.short[c.slots[i]]
		if below.root != e.parent {
			continue // of a branch that was left
		}
		e, low = below, c.slots[i]
		out[low] = e.content
	}
	return out, low, true
}

func head(h common.Hash) uint64 { return binary.BigEndian.Uint64(h[:8]) }

// content is equal for entries that say the same to gwat.
func content(info checkpoint.ConsensusInfo) uint64 {
	sum := sha256.Sum256(info.AppendJSON(nil))
	return binary.BigEndian.Uint64(sum[:8])
}
