package arrivals

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A message that waits is taken, nothing is waited for, and the end of a channel is told apart
// from a channel with nothing in it.
func TestWhatIsThereIsTaken(t *testing.T) {
	from := make(chan int, 2)
	_, ok := Next(from)
	require.False(t, ok)
	_, open, ok := NextOrEnd(from)
	require.False(t, open)
	require.False(t, ok)

	from <- 1
	from <- 2
	m, ok := Next(from)
	require.True(t, ok)
	require.Equal(t, 1, m)
	m, open, ok = NextOrEnd(from)
	require.True(t, open)
	require.True(t, ok)
	require.Equal(t, 2, m)

	close(from)
	m, open, ok = NextOrEnd(from)
	require.True(t, ok)
	require.False(t, open)
	require.Zero(t, m)
	_, ok = Next(from)
	require.True(t, ok)

	_, ok = Next[int](nil)
	require.False(t, ok, "a channel that was taken away has nothing")
}

// All that wait are taken in order, up to the end of the channel or of the caller's interest.
func TestAllThatWaitAreTaken(t *testing.T) {
	from := make(chan int, 4)
	require.Empty(t, slices.Collect(Waiting(from)))
	from <- 1
	from <- 2
	require.Equal(t, []int{1, 2}, slices.Collect(Waiting(from)))

	from <- 3
	from <- 4
	for m := range Waiting(from) {
		require.Equal(t, 3, m)
		break
	}
	close(from)
	require.Equal(t, []int{4}, slices.Collect(Waiting(from)))
	require.Empty(t, slices.Collect(Waiting(from)), "a closed channel has nothing")
}
