package gwatsim

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

func h(name string) common.Hash { return common.BytesToHash([]byte(name)) }

// threeBlocks is the example of the spec: A (slot 5) and X (slot 6) on S0, S (slot 7) on both.
func threeBlocks() *testChain {
	c := newTestChain(0, h("G"))
	c.block(h("S0"), 4, h("G"))
	c.block(h("A"), 5, h("S0"))
	c.block(h("X"), 6, h("S0"))
	c.block(h("S"), 7, h("A"), h("X"))
	return c
}

func TestOrderDependsOnTheSpinesNamed(t *testing.T) {
	c := threeBlocks()
	for _, tt := range []struct {
		name   string
		spines []string
		want   []string
	}{
		{"X first", []string{"S0", "X", "S"}, []string{"G", "S0", "X", "A", "S"}},
		{"S alone", []string{"S0", "S"}, []string{"G", "S0", "A", "X", "S"}},
		{"all in one go", []string{"S"}, []string{"G", "S0", "A", "X", "S"}},
		{"one twice", []string{"S", "X", "S"}, []string{"G", "S0", "A", "X", "S"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLedger(c.genesis)
			for _, spine := range tt.spines {
				_, err := l.finalize(h(spine), c.DAGBlock)
				require.NoError(t, err)
			}
			require.Equal(t, hashes(tt.want...), l.order())
			number, final := l.number(h("S"))
			require.True(t, final)
			require.Equal(t, c.blocks[h("S")].Height, number, "a spine's number is its height")
		})
	}
}

func hashes(names ...string) []common.Hash {
	out := make([]common.Hash, len(names))
	for i, name := range names {
		out[i] = h(name)
	}
	return out
}

func TestOrderWithinASlot(t *testing.T) {
	c := newTestChain(0, h("G"))
	c.block(h("p"), 1, h("G"))
	c.block(h("q"), 1, h("G"))
	c.block(h("high"), 2, h("p"), h("q"))
	c.block(h("wide"), 2, h("G"), h("p")) // of the height of narrow, with more parents
	c.block(h("b-narrow"), 2, h("p"))
	c.block(h("a-narrow"), 2, h("p"))
	c.block(h("low"), 2, h("G"))
	c.block(h("end"), 3, h("low"), h("b-narrow"), h("wide"), h("a-narrow"), h("high"))

	l := newLedger(c.genesis)
	added, err := l.finalize(h("end"), c.DAGBlock)
	require.NoError(t, err)
	require.Equal(t, 8, added)
	require.Equal(t, hashes("G", "p", "q", "high", "wide", "a-narrow", "b-narrow", "low", "end"), l.order())
	number, _ := l.number(h("low"))
	require.NotEqual(t, c.blocks[h("low")].Height, number, "a block beside the spine has another number")
}

func TestMissingAncestorChangesNothing(t *testing.T) {
	c := threeBlocks()
	delete(c.blocks, h("A"))
	l := newLedger(c.genesis)
	_, err := l.finalize(h("S"), c.DAGBlock)
	require.ErrorIs(t, err, errSpineNotFound)
	require.Equal(t, hashes("G"), l.order())
	l.rollback()
	require.Equal(t, hashes("G"), l.order(), "genesis stays")
}

// Whatever canonical spines are named in one go, every named one's number is its
// height, every block comes after its parents, and rolling back and finalizing
// again gives the same order.
func TestGeneratedDAGKeepsTheOrderRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, err := world.New(world.Config{
			Seed: rapid.Uint64().Draw(t, "seed"), MaxBlocksPerSlot: 4, QuietRate: 0.2, MissRate: 0.2, GenesisTime: 1,
		})
		require.NoError(t, err)
		l := newLedger(w.DAGGenesis())
		for slot := range w.HeadAt(80).Slot + 1 {
			body, ok := w.Ancestor(w.HeadAt(80), slot)
			if !ok {
				continue
			}
			for _, spine := range body.Finalization {
				_, err := l.finalize(spine, w.DAGBlock)
				require.NoError(t, err)
				block, _ := w.DAGBlock(spine)
				number, _ := l.number(spine)
				require.Equal(t, block.Height, number)
			}
		}
		order := l.order()
		require.Greater(t, len(order), 40)
		for number, hash := range order {
			block, _ := w.DAGBlock(hash)
			for _, parent := range block.Parents {
				below, final := l.number(parent)
				require.True(t, final)
				require.Less(t, below, uint64(number))
			}
		}
		for l.height() > 0 {
			l.rollback()
		}
		require.Equal(t, []common.Hash{w.DAGGenesis().Hash}, l.order())
	})
}

func TestCandidatesAreOneChainOfSpines(t *testing.T) {
	c := threeBlocks()
	c.block(h("Y"), 8, h("A")) // does not descend from S
	c.block(h("Z"), 9, h("S"), h("Y"))
	d := newDAG(c)
	d.loadTo(20)
	require.Equal(t, hashes("S0", "A", "S", "Z"), d.candidates(c.genesis, 1<<40), "X does not descend from A, nor Y from S")
	require.Equal(t, hashes("S"), d.candidates(c.blocks[h("X")], 8))
	require.Equal(t, []common.Hash{}, d.candidates(c.blocks[h("Z")], 1<<40))
	d.drop(7)
	require.Equal(t, hashes("S0", "A"), d.candidates(c.genesis, 1<<40))
	require.EqualValues(t, 6, d.newest)
	_, ok := d.find(h("S"))
	require.False(t, ok)
}
