package gwatclient

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

func TestObserveIsToldOfEachCall(t *testing.T) {
	type seen struct {
		method string
		ok     bool
	}
	var told []seen
	server := httptest.NewServer(status(200, `{"jsonrpc":"2.0","id":1,"result":"0x7"}`))
	defer server.Close()
	c, err := New(Config{Endpoint: server.URL, Observe: func(method string, took time.Duration, err error) {
		require.Positive(t, took)
		told = append(told, seen{method, err == nil})
	}})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.ChainID(t.Context())
	require.NoError(t, err)
	server.Close()
	_, err = c.PeerCount(t.Context())
	require.Error(t, err)
	_, err = c.Changes(permit).HeadSync(t.Context(), nil)
	require.Error(t, err)
	_, err = c.BlocksByHash(t.Context(), []common.Hash{{1}})
	require.Error(t, err)
	require.Equal(t, []seen{{"eth_chainId", true}, {"net_peerCount", false}, {"dag_headSync", false}, {"eth_getBlockByHash", false}}, told)
}
