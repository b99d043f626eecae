package beaconsim

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// genesisAgo places the clock in the middle of a slot of one-second slots.
func genesisAgo(slots uint64) uint64 { return uint64(time.Now().Unix()) - slots }

func generated(t *testing.T, cfg world.Config) *world.World {
	if cfg.SecondsPerSlot == 0 {
		cfg.SecondsPerSlot = 1
	}
	if cfg.SlotsPerEpoch == 0 {
		cfg.SlotsPerEpoch = 8
	}
	w, err := world.New(cfg)
	require.NoError(t, err)
	return w
}

// start runs a node behind a real listener until the test ends.
func start(t *testing.T, cfg Config) (*Node, string) {
	n, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	server := httptest.NewServer(n.Handler())
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return n, server.URL
}

func get(t require.TestingT, url string) (int, string) {
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func data[T any](t require.TestingT, url string) T {
	status, body := get(t, url)
	require.Equal(t, http.StatusOK, status, body)
	var out struct{ Data T }
	require.NoError(t, json.Unmarshal([]byte(body), &out))
	return out.Data
}
