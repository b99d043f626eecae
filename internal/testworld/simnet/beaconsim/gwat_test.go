package beaconsim

import (
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"
)

// startingGwat fails its first eth_chainId.
type startingGwat struct{ asked atomic.Int64 }

func (s *startingGwat) ChainId() (string, error) {
	if s.asked.Add(1) == 1 {
		return "", errors.New("not yet")
	}
	return "0x52745", nil
}

// A connection whose eth_chainId failed is closed: over a socket every call fails until the
// next greeting, which connects again; over HTTP nothing ends with it.
func TestFailedGreetingClosesTheConnection(t *testing.T) {
	for _, kind := range []string{"socket", "http"} {
		t.Run(kind, func(t *testing.T) {
			server, starting := rpc.NewServer(), &startingGwat{}
			require.NoError(t, server.RegisterName("eth", starting))
			require.NoError(t, server.RegisterName("dag", &fakeGwat{}))
			endpoint := filepath.Join(t.TempDir(), "gwat.ipc")
			if kind == "http" {
				listener := httptest.NewServer(server)
				t.Cleanup(listener.Close)
				endpoint = listener.URL
			} else {
				listener, err := net.Listen("unix", endpoint)
				require.NoError(t, err)
				var serving sync.WaitGroup
				serving.Go(func() { _ = server.ServeListener(listener) })
				t.Cleanup(func() { listener.Close(); serving.Wait() })
			}
			t.Cleanup(server.Stop)

			g := newGwat(endpoint, nil, nil, &callLog{})
			defer g.close()
			var answer json.RawMessage
			slots := func() error {
				return g.call(t.Context(), time.Second, &answer, "dag_syncSlotInfo", map[string]any{})
			}
			require.ErrorContains(t, g.greet(t.Context(), time.Second), "not yet")
			if kind == "socket" {
				require.ErrorIs(t, slots(), rpc.ErrClientQuit)
			} else {
				require.NoError(t, slots())
			}
			require.NoError(t, g.greet(t.Context(), time.Second))
			require.NoError(t, slots())
		})
	}
}
