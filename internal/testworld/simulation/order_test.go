package simulation

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// Every spine has its height as number, and every block one number.
func TestTrueOrderGivesSpinesTheirHeight(t *testing.T) {
	chain, err := world.New(world.Config{Seed: 3, MissRate: 0.1})
	require.NoError(t, err)
	head := chain.HeadAt(60)
	order := trueOrder(chain, head)
	seen := map[any]bool{}
	for n, hash := range order {
		require.False(t, seen[hash], "number %d", n)
		seen[hash] = true
	}
	blocks, _ := ancestors(chain, head, 0)
	spines := 0
	for _, b := range blocks {
		for _, spine := range b.Finalization {
			of, ok := chain.DAGBlock(spine)
			require.True(t, ok)
			require.Equal(t, spine, order[of.Height], "the spine of height %d", of.Height)
			spines++
		}
	}
	require.Greater(t, spines, 20)
}
