package journal

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
)

// The spec of the network is in the journal for the next process, in both eras.
func TestTheJournalKeepsTheSpec(t *testing.T) {
	for _, creators := range []uint64{0, 4} {
		both(t, func(t *testing.T, j *Journal) {
			spec := checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, CreatorsPerSlot: creators, DepositChainID: 7, GenesisTime: 100, ConfigName: "net"}
			require.NoError(t, j.SetNetwork(NetworkOf(spec)))
			n, err := j.Network()
			require.NoError(t, err)
			require.Equal(t, &spec, n.Spec())
		})
	}
}

// The record of an older syncd has no more than chain id and genesis time: it is read, names
// no spec, and the same network with its spec does not void the rest of the journal.
func TestTheNetworkOfAnOlderSyncd(t *testing.T) {
	store := NewMemory()
	require.NoError(t, store.Set(map[string][]byte{keyNetwork: []byte(`{"v":1,"data":{"chainId":7,"genesisTime":100}}`)}))
	j := OpenStore(store, "")
	n, err := j.Network()
	require.NoError(t, err)
	require.Equal(t, &Network{ChainID: 7, GenesisTime: 100}, n)
	require.Nil(t, n.Spec())
	require.NoError(t, j.SetConfirmed(confirmed))
	spec := checkpoint.Spec{SlotsPerEpoch: 32, SecondsPerSlot: 4, DepositChainID: 7, GenesisTime: 100}
	require.NoError(t, j.SetNetwork(NetworkOf(spec)))
	c, err := j.Confirmed()
	require.NoError(t, err)
	require.NotNil(t, c)
	require.Empty(t, j.Note())
	n, err = j.Network()
	require.NoError(t, err)
	require.Equal(t, &spec, n.Spec())
}
