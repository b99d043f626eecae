package headsync_test

import (
	"bytes"
	"sort"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// finalizeInOrder applies the rule of the spec to a sequence of spines: each
// finalizes its not yet finalized ancestors and itself, slot ascending, within a
// slot height descending, then parents descending, then hash ascending; it
// comes last. It is written apart from the code under test.
func finalizeInOrder(t *testing.T, chain world.Chain, spines []common.Hash) []common.Hash {
	t.Helper()
	genesis := chain.DAGGenesis().Hash
	order := []common.Hash{genesis}
	final := map[common.Hash]bool{genesis: true}
	for _, spine := range spines {
		if final[spine] {
			continue
		}
		var open []*world.DAGBlock
		seen := map[common.Hash]bool{spine: true}
		for queue := []common.Hash{spine}; len(queue) > 0; queue = queue[1:] {
			b, ok := chain.DAGBlock(queue[0])
			require.True(t, ok)
			if b.Hash != spine {
				open = append(open, b)
			}
			for _, p := range b.Parents {
				if !final[p] && !seen[p] {
					seen[p] = true
					queue = append(queue, p)
				}
			}
		}
		sort.Slice(open, func(i, j int) bool {
			a, b := open[i], open[j]
			if a.Slot != b.Slot {
				return a.Slot < b.Slot
			}
			if a.Height != b.Height {
				return a.Height > b.Height
			}
			if len(a.Parents) != len(b.Parents) {
				return len(a.Parents) > len(b.Parents)
			}
			return bytes.Compare(a.Hash[:], b.Hash[:]) < 0
		})
		for _, b := range open {
			final[b.Hash] = true
			order = append(order, b.Hash)
		}
		final[spine] = true
		order = append(order, spine)
	}
	return order
}
