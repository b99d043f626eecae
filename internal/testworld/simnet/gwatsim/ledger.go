package gwatsim

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

var errSpineNotFound = errors.New("spine not found")

// lookup finds a block the node has.
type lookup func(common.Hash) (*world.DAGBlock, bool)

// ledger is the finalized chain: its blocks in the order of finalization, the
// position being the number. It always holds genesis.
type ledger struct {
	blocks  []*world.DAGBlock
	numbers map[common.Hash]uint64
}

func newLedger(genesis *world.DAGBlock) *ledger {
	l := &ledger{numbers: make(map[common.Hash]uint64)}
	l.append(genesis)
	return l
}

func (l *ledger) last() *world.DAGBlock { return l.blocks[len(l.blocks)-1] }

// height is the number of the last finalized block.
func (l *ledger) height() uint64 { return uint64(len(l.blocks) - 1) }

func (l *ledger) number(hash common.Hash) (uint64, bool) {
	number, ok := l.numbers[hash]
	return number, ok
}

func (l *ledger) append(blocks ...*world.DAGBlock) {
	for _, block := range blocks {
		l.numbers[block.Hash] = uint64(len(l.blocks))
		l.blocks = append(l.blocks, block)
	}
}

// finalize makes a spine and its ancestors final and tells how many blocks were
// not final yet. Nothing changes if the spine or an ancestor is missing.
func (l *ledger) finalize(spine common.Hash, find lookup) (int, error) {
	pending, err := l.pending(spine, find)
	if err != nil {
		return 0, err
	}
	l.append(pending...)
	return len(pending), nil
}

// pending are the blocks that a spine finalizes, in the order rule: by slot; in
// a slot the higher first, then the one with more parents, then the lower hash.
func (l *ledger) pending(spine common.Hash, find lookup) ([]*world.DAGBlock, error) {
	var out []*world.DAGBlock
	seen := map[common.Hash]bool{spine: true}
	for queue := []common.Hash{spine}; len(queue) > 0; queue = queue[1:] {
		if _, final := l.numbers[queue[0]]; final {
			continue
		}
		block, ok := find(queue[0])
		if !ok {
			return nil, errSpineNotFound
		}
		out = append(out, block)
		for _, parent := range block.Parents {
			if !seen[parent] {
				seen[parent] = true
				queue = append(queue, parent)
			}
		}
	}
	slices.SortFunc(out, compareOrder)
	return out, nil
}

// rollback takes the finality from the last block; genesis stays.
func (l *ledger) rollback() {
	if len(l.blocks) == 1 {
		return
	}
	delete(l.numbers, l.last().Hash)
	l.blocks = l.blocks[:len(l.blocks)-1]
}

func (l *ledger) order() []common.Hash {
	out := make([]common.Hash, len(l.blocks))
	for i, block := range l.blocks {
		out[i] = block.Hash
	}
	return out
}

func compareOrder(a, b *world.DAGBlock) int {
	if a.Slot != b.Slot {
		return cmp.Compare(a.Slot, b.Slot)
	}
	return compareInSlot(a, b)
}

// compareInSlot is the order of blocks of one slot; the first is its spine.
func compareInSlot(a, b *world.DAGBlock) int {
	switch {
	case a.Height != b.Height:
		return cmp.Compare(b.Height, a.Height)
	case len(a.Parents) != len(b.Parents):
		return len(b.Parents) - len(a.Parents)
	default:
		return bytes.Compare(a.Hash[:], b.Hash[:])
	}
}
