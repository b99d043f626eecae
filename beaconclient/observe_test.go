package beaconclient

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

// The paths that are told are few, whatever is asked for.
func TestObserveIsToldOfEachCall(t *testing.T) {
	told := map[string]int{}
	server := httptest.NewServer(body(404, `{"code":404,"message":"none"}`))
	defer server.Close()
	c, err := New(Config{URL: server.URL, Observe: func(path string, took time.Duration, err error) {
		require.Positive(t, took)
		require.Error(t, err)
		told[path]++
	}})
	require.NoError(t, err)
	defer c.Close()
	for i := range byte(3) {
		_, _ = c.Header(t.Context(), AtRoot(common.Hash{i}))
		_, _ = c.Block(t.Context(), AtRoot(common.Hash{i}))
	}
	_, _ = c.Finality(t.Context(), StateHead)
	_, _ = c.Syncing(t.Context())
	require.Equal(t, map[string]int{
		"/eth/v1/beacon/headers/{id}": 3, "/eth/v2/beacon/blocks/{id}": 3,
		"/eth/v1/beacon/states/{id}/finality_checkpoints": 1, "/eth/v1/node/syncing": 1,
	}, told)
}
