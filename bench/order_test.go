package main

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// drawn is a DAG by hand; the first block is genesis.
type drawn []*world.DAGBlock

func (d drawn) DAGGenesis() *world.DAGBlock { return d[0] }

func (d drawn) DAGBlock(hash common.Hash) (*world.DAGBlock, bool) {
	for _, b := range d {
		if b.Hash == hash {
			return b, true
		}
	}
	return nil, false
}

func named(letter byte) common.Hash { return common.Hash{31: letter} }

func drawnBlock(letter byte, slot, height uint64, parents string) *world.DAGBlock {
	b := &world.DAGBlock{Hash: named(letter), Slot: primitives.Slot(slot), Height: height}
	for i := range len(parents) {
		b.Parents = append(b.Parents, named(parents[i]))
	}
	return b
}

func letters(order []common.Hash) string {
	var out []byte
	for _, h := range order {
		out = append(out, h[31])
	}
	return string(out)
}

// The example of the spec: A (slot 5) and X (slot 6) on S, and T (slot 7) on both.
func TestOrderDependsOnTheSequenceOfSpines(t *testing.T) {
	dag := drawn{
		drawnBlock('G', 0, 0, ""), drawnBlock('S', 4, 1, "G"), drawnBlock('A', 5, 2, "S"),
		drawnBlock('X', 6, 2, "S"), drawnBlock('T', 7, 4, "AX"),
	}
	for spines, want := range map[string]string{"SXT": "GSXAT", "ST": "GSAXT", "SSXXT": "GSXAT", "": "G"} {
		var list []common.Hash
		for i := range len(spines) {
			list = append(list, named(spines[i]))
		}
		order, err := finalOrder(dag, list)
		require.NoError(t, err)
		require.Equal(t, want, letters(order), spines)
	}
	_, err := finalOrder(dag, []common.Hash{named('?')})
	require.Error(t, err)
}

// Within a slot: the higher first, then the one with more parents, then by hash.
func TestOrderWithinASlot(t *testing.T) {
	dag := drawn{
		drawnBlock('G', 0, 0, ""), drawnBlock('a', 1, 1, "G"), drawnBlock('b', 1, 1, "G"), drawnBlock('c', 2, 2, "a"),
		drawnBlock('f', 3, 3, "ab"), drawnBlock('e', 3, 3, "b"), drawnBlock('d', 3, 3, "b"), drawnBlock('h', 3, 4, "c"),
		drawnBlock('Z', 4, 8, "fedh"),
	}
	order, err := finalOrder(dag, []common.Hash{named('Z')})
	require.NoError(t, err)
	require.Equal(t, "GabchfdeZ", letters(order))
}

func TestCheckOrder(t *testing.T) {
	canonical := []common.Hash{named('G'), named('a'), named('b')}
	require.NoError(t, checkOrder(canonical, canonical, 3))
	require.NoError(t, checkOrder(canonical[:2], canonical, 2))
	require.ErrorContains(t, checkOrder(canonical[:2], canonical, 3), "at least 3")
	require.ErrorContains(t, checkOrder([]common.Hash{named('G'), named('b')}, canonical, 1), "at number 1")
	require.ErrorContains(t, checkOrder(append(canonical[:3:3], named('c')), canonical, 1), "the beacon named 3")
}

// A generated network whose blocks cross each other: the spines' numbers are
// their heights, which the world promises of the canonical order.
func TestOrderOfANetwork(t *testing.T) {
	chain, err := busyNetwork(1)
	require.NoError(t, err)
	head := chain.now()
	spines := canonicalSpines(chain, head)
	order, err := finalOrder(chain, spines)
	require.NoError(t, err)
	require.EqualValues(t, chain.number(head)+1, len(order))
	require.EqualValues(t, beyond, chain.number(head)-chain.atCheckpoint(head))
	at := map[common.Hash]int{}
	for i, h := range order {
		at[h] = i
	}
	for _, s := range spines {
		b, ok := chain.DAGBlock(s)
		require.True(t, ok)
		require.EqualValues(t, b.Height, at[s])
	}
}
