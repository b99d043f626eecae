package simulation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// What a gwat of one network has finalized says nothing of the other one's chain, and both
// networks count: a pair of nodes that were both moved to another network works there.
func TestWhatGwatFinalizedIsOfOneNetwork(t *testing.T) {
	home, err := world.New(world.Config{Seed: 1})
	require.NoError(t, err)
	foreign, err := world.New(world.Config{Seed: 2})
	require.NoError(t, err)
	at := func(seconds int) time.Duration { return time.Duration(seconds) * time.Second }
	r := &run{plan: &Plan{chain: home, foreign: foreign}, samples: []sample{
		{at: at(1), up: true, home: true, number: 40},
		{at: at(2)},
		{at: at(3), up: true, number: 23},
		{at: at(5), up: true, number: 31},
		{at: at(7), up: true, home: true, number: 12},
	}}
	c := &record{run: r}
	require.EqualValues(t, 31, c.highest(foreign, at(3), at(6)))
	require.EqualValues(t, 23, c.highest(foreign, at(4), at(4)))
	require.EqualValues(t, 0, c.highest(home, at(4), at(6)))
	require.EqualValues(t, 12, c.highest(home, at(4), at(8)))
	require.EqualValues(t, 40, c.highest(home, at(1), at(8)))
	require.EqualValues(t, 0, c.highest(foreign, at(7), at(8)))
}
