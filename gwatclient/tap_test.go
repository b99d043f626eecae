package gwatclient

import (
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

// TestTapGetsEveryCall: with its answer or its error, each call of a batch too.
func TestTapGetsEveryCall(t *testing.T) {
	var mu sync.Mutex
	var got []Call
	c, err := New(Config{Endpoint: "http://127.0.0.1:1", Tap: func(call Call) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, call)
	}})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Read(t.Context(), "eth_chainId")
	require.ErrorIs(t, err, ErrDown)
	_, err = c.BlocksByHash(t.Context(), []common.Hash{{1}, {2}})
	require.ErrorIs(t, err, ErrDown)
	require.Len(t, got, 3)
	require.Equal(t, "eth_chainId", got[0].Method)
	require.Equal(t, []any{common.Hash{2}, false}, got[2].Params)
	for _, call := range got {
		require.ErrorIs(t, call.Err, ErrDown)
		require.Nil(t, call.Answer)
		require.False(t, call.At.IsZero())
	}
}
