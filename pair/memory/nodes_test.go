package memory

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/status"
)

// What a node had when it last answered outlasts the process, with the time of its answer.
func TestTheNodesLastAnswersAreKept(t *testing.T) {
	spec := checkpoint.Spec{DepositChainID: 7, GenesisTime: 100}
	network := &status.Network{ChainID: 7, GenesisTime: 100}
	m := &Memory{}
	s := snapshot(start, "working")
	s.Network = network
	m.Add(s)
	known := &status.LastKnown{At: start, Slot: s.Gwat.Slot, Finalized: s.Gwat.Finalized}
	down := snapshot(start.Add(time.Minute), "failing")
	down.Network, down.Gwat, down.Beacon = network, status.Node{LastKnown: known}, status.Node{}
	m.Add(down)
	unknown := snapshot(start.Add(2*time.Minute), "unknown")
	unknown.Network = nil // of a process that knows nothing yet
	m.Add(unknown)

	path := filepath.Join(t.TempDir(), "past")
	require.NoError(t, m.Save(path))
	next, note := Open(path)
	require.Empty(t, note)
	gwat, beacon := next.LastKnown(spec)
	require.Equal(t, known, gwat)
	require.Equal(t, &status.LastKnown{At: start, Slot: s.Beacon.Slot}, beacon)

	other := spec
	other.GenesisTime++
	gwat, beacon = next.LastKnown(other)
	require.Nil(t, gwat)
	require.Nil(t, beacon)
	down.Network = &status.Network{ChainID: 8, GenesisTime: 100}
	down.Gwat.LastKnown = nil
	next.Add(down)
	gwat, _ = next.LastKnown(spec)
	require.Nil(t, gwat, "the pair is of another network now")
}

// A file of an older syncd has no nodes; the rest of it is read.
func TestAPastWithoutNodes(t *testing.T) {
	m := &Memory{}
	m.Add(snapshot(start, "working"))
	m.record.Nodes = nodes{}
	raw, err := m.encode()
	require.NoError(t, err)
	require.NotContains(t, string(raw), `"nodes"`)
	next := &Memory{}
	require.NoError(t, next.decode(raw))
	require.Len(t, next.Newest(2), 1)
	gwat, beacon := next.LastKnown(checkpoint.Spec{})
	require.Nil(t, gwat)
	require.Nil(t, beacon)
}
