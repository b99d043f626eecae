package gate

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// Over a WebSocket and a Unix socket connections with a subscription or a call on its way
// stay, and the idle one ends.
func TestIdleMessageConnectionsMakeRoom(t *testing.T) {
	for _, listener := range []string{"ws", "ipc"} {
		for _, backend := range kinds {
			t.Run(listener+" to "+backend, func(t *testing.T) {
				t.Parallel()
				leave := make(chan struct{})
				gwat := newStandIn(t, func(raw string) (int, string) {
					if strings.Contains(raw, "eth_slow") {
						<-leave
					}
					return 200, result(raw, `"0x1"`)
				})
				g := startGate(t, gwat.endpoint(backend), headSync, func(c *Config) { c.MaxConnections = 3 })
				subscribed, busy, idle := dialGate(t, g, listener), dialGate(t, g, listener), dialGate(t, g, listener)
				_, _, err := subscribed.call(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`)
				require.NoError(t, err)
				_, _, err = idle.call(blockNumber)
				require.NoError(t, err)
				require.NoError(t, busy.send(`{"jsonrpc":"2.0","id":2,"method":"eth_slow"}`))
				_, err = idle.receive() // ends, as the listener is full
				require.Error(t, err)
				newcomer := dialGate(t, g, listener)
				close(leave)
				answer, err := busy.receive()
				require.NoError(t, err)
				require.Equal(t, "2", idOf(answer))
				for _, c := range []caller{subscribed, busy, newcomer} {
					_, answer, err := c.call(blockNumber)
					require.NoError(t, err)
					require.Equal(t, trim(result(blockNumber, `"0x1"`)), trim(answer))
				}
			})
		}
	}
}

// boundedPair returns both ends of a connection whose last call ended long ago.
func boundedPair(t *testing.T) (c *boundedConn, peer net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	peer, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { peer.Close() })
	conn, err := l.Accept()
	require.NoError(t, err)
	c = newBoundedConn(conn)
	c.release = func() {}
	t.Cleanup(func() { c.Close() })
	return c, peer
}

// evictLater is evict an hour after the last call.
func (c *boundedConn) evictLater() bool {
	c.mu.Lock()
	c.since = time.Now().Add(-time.Hour)
	c.mu.Unlock()
	return c.evict()
}

// inRead reports whether a Read has found nothing.
func (c *boundedConn) inRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// A connection is closed only while a Read waits in vain: not with a call that has come, and not
// with one that was read and has not begun.
func TestNoCallIsReadFromAConnectionThatIsClosed(t *testing.T) {
	c, peer := boundedPair(t)
	_, err := io.WriteString(peer, "call")
	require.NoError(t, err)
	buf := make([]byte, 8)
	n, err := c.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "call", string(buf[:n]))
	for range 2 {
		require.False(t, c.evictLater(), "the call was read, and nobody has noted it yet")
	}

	reads := make(chan error)
	go func() {
		_, err := c.Read(buf)
		reads <- err
	}()
	waitFor(t, "a Read", c.inRead)
	c.used(true)
	require.False(t, c.evictLater(), "a call is on its way")
	c.used(false)
	require.False(t, c.evict(), "it has just ended")
	_, err = io.WriteString(c, "answer")
	require.NoError(t, err)
	require.False(t, c.evictLater(), "it has just been answered")
	require.True(t, c.evictLater())
	require.Error(t, <-reads)
	rest, err := io.ReadAll(peer)
	require.NoError(t, err)
	require.Equal(t, "answer", string(rest))
	_, _ = io.WriteString(peer, "late")
	_, err = c.Read(buf)
	require.Error(t, err)
}

// However calls and attempts to close a connection meet, each call that was read is answered.
func TestEveryCallThatWasReadIsAnswered(t *testing.T) {
	var evicted, lost atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		c, peer := boundedPair(t)
		all.Go(func() { // as the gate does
			buf := make([]byte, 8)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				runtime.Gosched()
				c.used(true)
				if _, err := c.Write(buf[:n]); err != nil {
					lost.Add(1)
				}
				c.used(false)
			}
		})
		all.Go(func() {
			for !c.evictLater() {
				runtime.Gosched()
			}
			evicted.Add(1)
		})
		all.Go(func() {
			buf := make([]byte, 8)
			for {
				if _, err := io.WriteString(peer, "x"); err != nil {
					return
				}
				if _, err := peer.Read(buf); err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 20, evicted.Load())
	require.Zero(t, lost.Load())
}
