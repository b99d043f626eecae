package gate

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Idle connections that fill a listener keep nobody out, and those with a call on its way
// or a subscription stay.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	gwat, leave, calls, _ := slowGwat(t)
	g := startGate(t, gwat.URL, headSync, func(c *Config) { c.MaxConnections = 2 })
	busy, r := dialRaw(t, g)
	_, err := io.WriteString(busy, posted(blockNumber, ""))
	require.NoError(t, err)
	waitFor(t, "the call", func() bool { return calls.Load() == 1 })
	idle, _ := dialRaw(t, g)
	_, err = idle.Read(make([]byte, 1)) // ends, as the listener is full
	require.ErrorIs(t, err, io.EOF)
	third, last := dialRaw(t, g)
	_, err = io.WriteString(third, posted(blockNumber, ""))
	require.NoError(t, err)
	waitFor(t, "the call of the newcomer", func() bool { return calls.Load() == 2 })
	leave <- struct{}{}
	leave <- struct{}{}
	for _, r := range []*bufio.Reader{r, last} {
		resp, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, trim(result(blockNumber, `"0x1"`)), trim(string(body)))
	}
}

// Over a Unix socket the subscription keeps its connection, and the idle one ends.
func TestSubscribedConnectionStays(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, `"0x1"`) })
	g := startGate(t, gwat.endpoint("ipc"), headSync, func(c *Config) { c.MaxConnections = 2 })
	subscribed := dialGate(t, g, "ipc")
	_, _, err := subscribed.call(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`)
	require.NoError(t, err)
	idle, err := net.Dial("unix", g.cfg.Socket)
	require.NoError(t, err)
	defer idle.Close()
	_, err = idle.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	_, _, err = subscribed.call(`{"jsonrpc":"2.0","id":2,"method":"eth_a"}`)
	require.NoError(t, err)
}
