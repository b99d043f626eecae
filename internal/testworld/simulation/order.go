package simulation

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// trueOrder is the order in which gwat has to finalize up to a beacon block, by
// number; genesis has number 0.
func trueOrder(chain world.Chain, head *world.BeaconBlock) []common.Hash {
	final := map[common.Hash]bool{}
	var order []common.Hash
	blocks, first := ancestors(chain, head, 0)
	if first != nil {
		blocks = append([]*world.BeaconBlock{first}, blocks...)
	}
	for _, b := range blocks {
		for _, spine := range b.Finalization {
			order = append(order, finalizedBy(chain, spine, final)...)
		}
	}
	return order
}

// finalizedBy are a spine and those of its ancestors that are not final, in order.
func finalizedBy(chain world.Chain, spine common.Hash, final map[common.Hash]bool) []common.Hash {
	var found []*world.DAGBlock
	queue := []common.Hash{spine}
	for len(queue) > 0 {
		hash := queue[0]
		queue = queue[1:]
		b, ok := chain.DAGBlock(hash)
		if !ok || final[hash] {
			continue
		}
		final[hash] = true
		found = append(found, b)
		queue = append(queue, b.Parents...)
	}
	slices.SortFunc(found, func(a, b *world.DAGBlock) int {
		switch {
		case a.Hash == spine:
			return 1
		case b.Hash == spine:
			return -1
		}
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), -cmp.Compare(a.Height, b.Height),
			-cmp.Compare(len(a.Parents), len(b.Parents)), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
	order := make([]common.Hash, len(found))
	for i, b := range found {
		order[i] = b.Hash
	}
	return order
}

// toldDisorder reports whether gwat last told a incarnation of syncd, after an entry was stored,
// of a block under a number that is not the one which the chain up to that entry
// gives it: data that gwat holds in a wrong order is as good as lost.
func (c *record) toldDisorder(incarnation int, since, at time.Duration, root common.Hash) bool {
	chain, head := c.chainOf(root)
	if head == nil {
		return false
	}
	last := map[uint64]common.Hash{}
	for _, x := range c.blocks {
		if x.from != incarnation || x.ended < since || x.ended > at {
			continue
		}
		for _, b := range x.blocksTold() {
			if b.Number != nil {
				last[uint64(*b.Number)] = b.Hash
			}
		}
	}
	for number, hash := range trueOrder(chain, head) {
		if told, ok := last[uint64(number)]; ok && told != hash {
			return true
		}
	}
	return false
}

type toldBlock struct {
	Hash   common.Hash     `json:"hash"`
	Number *hexutil.Uint64 `json:"number"`
}

// blocksTold are the blocks of an answer, of one call or of a batch.
func (x *exchange) blocksTold() []toldBlock {
	type element struct {
		Result *toldBlock `json:"result"`
	}
	var list []element
	if json.Unmarshal(x.answer, &list) != nil {
		list = make([]element, 1)
		if json.Unmarshal(x.answer, &list[0]) != nil {
			return nil
		}
	}
	var out []toldBlock
	for _, e := range list {
		if e.Result != nil {
			out = append(out, *e.Result)
		}
	}
	return out
}
