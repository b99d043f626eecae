package gwatclient

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// restartable is a node on a fixed endpoint that can go and come back.
type restartable struct {
	endpoint string
	start    func() (stop func())
}

func restartables(t *testing.T, script func(request) []byte) map[string]restartable {
	t.Helper()
	address := closedPort(t)
	overTCP := func() func() {
		listener, err := net.Listen("tcp", address)
		require.NoError(t, err)
		server := httptest.NewUnstartedServer(scriptHandler(script))
		server.Listener.Close()
		server.Listener = listener
		// httptest does not know hijacked connections; a node that dies closes them.
		var mu sync.Mutex
		var conns []net.Conn
		server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			if state == http.StateNew {
				conns = append(conns, conn)
			}
		}
		server.Start()
		return func() {
			listener.Close()
			mu.Lock()
			for _, conn := range conns {
				conn.Close()
			}
			mu.Unlock()
			stopServer(server)
		}
	}
	path := filepath.Join(t.TempDir(), "g.ipc")
	return map[string]restartable{
		"http": {"http://" + address, overTCP},
		"ws":   {"ws://" + address, overTCP},
		"ipc":  {path, func() func() { return serveIPC(t, path, ipcScript(script)).stop }},
	}
}

func TestLazyDialAndRedial(t *testing.T) {
	for name, node := range restartables(t, result(`"0x539"`)) {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, Config{Endpoint: node.endpoint})
			for range 3 {
				_, err := client.ChainID(t.Context())
				require.ErrorIs(t, err, ErrDown)
				stop := node.start()
				// A call right after a stop may still meet the old connection.
				require.Eventually(t, func() bool {
					id, err := client.ChainID(t.Context())
					return err == nil && id == 1337
				}, 5*time.Second, 10*time.Millisecond)
				stop()
				require.Eventually(t, func() bool {
					_, err := client.ChainID(t.Context())
					return err != nil && errors.Is(err, ErrDown)
				}, 5*time.Second, 10*time.Millisecond)
			}
		})
	}
}

// TestLostInFlight: the node dies while it works on a call that has no
// deadline; the call must end at once and as possibly done.
func TestLostInFlight(t *testing.T) {
	got := make(chan struct{}, 1)
	release := make(chan struct{}, 1)
	script := func(request) []byte {
		got <- struct{}{}
		<-release
		return nil
	}
	for name, node := range restartables(t, script) {
		t.Run(name, func(t *testing.T) {
			stop := node.start()
			client := newClient(t, Config{Endpoint: node.endpoint})
			done := make(chan error, 1)
			go func() {
				_, err := client.Changes(permit).HeadSync(context.Background(), nil)
				done <- err
			}()
			<-got
			release <- struct{}{} // the script answers nothing
			stop()
			select {
			case err := <-done:
				require.True(t, PossiblyDone(err), "%v", err)
			case <-time.After(5 * time.Second):
				t.Fatal("the call outlived its connection")
			}
		})
	}
}

func TestStreamFaults(t *testing.T) {
	const ok = `{"jsonrpc":"2.0","id":1,"result":true}`
	tests := []struct {
		name     string
		raw      string
		then     func(net.Conn) // what follows raw
		sentinel error
		kind     error
	}{
		{"garbage", "}{ not json\n", nil, ErrMalformed, failure.RetryLater},
		{"oversized", `{"jsonrpc":"2.0","id":1,"result":"` + strings.Repeat("x", 2000) + `"}`, nil, ErrMalformed, failure.RetryLater},
		{"endless", "", func(conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, strings.Repeat("[\n", 100)); err != nil {
					return
				}
			}
		}, ErrMalformed, failure.RetryLater},
		{"endless white space", "", func(conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, strings.Repeat("\n", 100)); err != nil {
					return
				}
			}
		}, ErrMalformed, failure.RetryLater},
		{"half an answer", ok[:15], func(conn net.Conn) { conn.Close() }, ErrLost, failure.RetryNow},
		{"closed", "", func(conn net.Conn) { conn.Close() }, ErrLost, failure.RetryNow},
		{"another call's answer", strings.Replace(ok, `"id":1`, `"id":77`, 1), nil, ErrLost, failure.RetryNow},
		{"an answer with no result", `{"jsonrpc":"2.0","id":1}`, nil, ErrLost, failure.RetryNow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "g.ipc")
			var again atomic.Bool
			serveIPC(t, path, func(conn net.Conn) {
				if again.Swap(true) {
					ipcScript(result("true"))(conn)
					return
				}
				_, _ = conn.Read(make([]byte, 1000))
				_, _ = io.WriteString(conn, tt.raw)
				if tt.then != nil {
					tt.then(conn)
				}
				_, _ = io.Copy(io.Discard, conn)
			})
			client := newClient(t, Config{Endpoint: path, MaxBody: 1000, Timeout: 300 * time.Millisecond})
			_, err := client.ValidateSpines(t.Context(), nil)
			require.ErrorIs(t, err, tt.sentinel)
			require.Equal(t, tt.kind, failure.Kind(err), "%v", err)
			if strings.HasPrefix(tt.name, "another") || strings.HasPrefix(tt.name, "an answer") {
				return // the connection is good: the node just did not answer
			}
			known, err := client.ValidateSpines(t.Context(), nil)
			require.NoError(t, err, "the next call dials again")
			require.True(t, known)
		})
	}
}

func TestWebSocketOversized(t *testing.T) {
	client := serve(t, "ws", Config{MaxBody: 1000}, func(req request) []byte {
		if req.Method == "web3_clientVersion" {
			return answer(req, "result", []byte(`"`+strings.Repeat("x", 2000)+`"`))
		}
		return answer(req, "result", []byte(`"0x1"`))
	})
	_, err := client.ClientVersion(t.Context())
	require.ErrorIs(t, err, ErrMalformed)
	id, err := client.ChainID(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, id)
}

func TestWebSocketHandshake(t *testing.T) {
	tests := []struct {
		name     string
		handler  http.HandlerFunc
		sentinel error
		kind     error
	}{
		{"plain HTTP", status(200, "hello"), ErrHTTPStatus, failure.RetryLater},
		{"bad gateway", status(502, ""), ErrHTTPStatus, failure.RetryLater},
		{"host", status(403, ""), ErrUnauthorized, failure.NeedsHuman},
		{"no HTTP at all", cut("hello\r\n\r\n"), ErrDown, failure.RetryLater},
		{"endless header", func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				_, err = io.WriteString(conn, "X: "+strings.Repeat("x", 1000))
			}
		}, ErrDown, failure.RetryLater},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := serveHTTP(t, Config{Endpoint: "ws"}, tt.handler)
			_, err := client.Changes(permit).HeadSync(t.Context(), nil)
			require.ErrorIs(t, err, tt.sentinel)
			require.Equal(t, tt.kind, failure.Kind(err), "%v", err)
			require.NotErrorIs(t, err, ErrLost, "nothing was sent")
		})
	}
}

// TestDialHangs: a listener that never accepts leaves a WebSocket handshake
// hanging; each caller waits no longer than its own context.
func TestDialHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	client := newClient(t, Config{Endpoint: "ws://" + listener.Addr().String(), Timeout: 10 * time.Second})
	var callers sync.WaitGroup
	start := time.Now()
	for range 4 {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := client.Changes(permit).HeadSyncReady(ctx, checkpoint.ConsensusInfo{})
			if !errors.Is(err, ErrDown) {
				t.Errorf("got %v", err)
			}
		})
	}
	callers.Wait()
	require.Less(t, time.Since(start), 3*time.Second)
}

// TestNodeStopsReading: a node that takes no more bytes must not hold a caller
// past its context.
// A node that takes the connection and never answers the handshake does not hold
// up a stop.
func TestWebSocketHandshakeIsCancelled(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	for _, stop := range []string{"context", "close"} {
		client := newClient(t, Config{Endpoint: "ws://" + listener.Addr().String(), Timeout: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := client.Changes(permit).HeadSync(ctx, nil)
			done <- err
		}()
		conn, err := listener.Accept()
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1)) // the handshake is under way
		require.NoError(t, err)
		if stop == "close" {
			client.Close()
		}
		cancel()
		select {
		case err := <-done:
			require.ErrorIs(t, err, ErrDown)
			require.False(t, PossiblyDone(err))
		case <-time.After(10 * time.Second):
			t.Fatal("the dial outlived its " + stop)
		}
		conn.Close()
	}
}

func TestNodeStopsReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.ipc")
	block := make(chan struct{})
	serveIPC(t, path, func(net.Conn) { <-block })
	defer close(block)
	client := newClient(t, Config{Endpoint: path})
	infos := make([]checkpoint.ConsensusInfo, 100_000)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := client.Changes(permit).HeadSync(ctx, infos)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 3*time.Second)
}

// TestReadsDoNotLoseChanges: a read whose answer breaks its connection leaves a
// state-changing call in flight alone.
func TestReadsDoNotLoseChanges(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			working, broken := make(chan struct{}), make(chan struct{})
			client := serve(t, transport, Config{MaxBody: 1000}, func(req request) []byte {
				if req.Method != "dag_headSync" {
					return answer(req, "result", []byte(`"`+strings.Repeat("x", 2000)+`"`))
				}
				close(working)
				<-broken
				return answer(req, "result", []byte("true"))
			})
			done := make(chan error, 1)
			go func() {
				_, err := client.Changes(permit).HeadSync(t.Context(), nil)
				done <- err
			}()
			<-working
			_, err := client.ClientVersion(t.Context())
			require.ErrorIs(t, err, ErrMalformed)
			close(broken)
			require.NoError(t, <-done)
		})
	}
}
