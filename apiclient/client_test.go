package apiclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers as a syncd does; without sockets it is an older one.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	seq     uint64
	sockets bool
	conns   []*websocket.Conn
	asked   int
}

func start(t *testing.T, sockets bool) *fake {
	t.Helper()
	f := &fake{sockets: sockets, seq: 1}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		f.cut()
		f.Close()
	})
	return f
}

func (f *fake) snapshot() *status.Snapshot {
	return &status.Snapshot{Seq: f.seq, At: time.Unix(int64(f.seq), 0), Stage: "working"}
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	sockets := f.sockets
	f.mu.Unlock()
	if !websocket.IsWebSocketUpgrade(r) {
		var req struct{ ID json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&req)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked++
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": req.ID, "result": f.snapshot()})
		return
	}
	if !sockets {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	for i := 1; ; i++ {
		var req struct {
			ID     json.RawMessage
			Params []string
		}
		if conn.ReadJSON(&req) != nil {
			conn.Close()
			return
		}
		f.mu.Lock()
		_ = conn.WriteJSON(map[string]any{"jsonrpc": "2.0", "id": req.ID, "result": "0x" + req.Params[0]})
		if i == 2 {
			f.conns = append(f.conns, conn)
		}
		f.mu.Unlock()
	}
}

// next tells a new snapshot on every socket.
func (f *fake) next() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	for _, c := range f.conns {
		_ = c.WriteJSON(map[string]any{"jsonrpc": "2.0", "method": "syncd_subscription", "params": map[string]any{"subscription": "0xprogress", "result": f.snapshot()}})
	}
}

func (f *fake) change(to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.WriteJSON(map[string]any{"jsonrpc": "2.0", "method": "syncd_subscription", "params": map[string]any{"subscription": "0xstage", "result": status.Change{To: to}}})
	}
}

func (f *fake) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

func (f *fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
	f.conns = nil
}

// followed runs Follow until the end of the test and gives what it told.
func followed(t *testing.T, address string) func() []News {
	t.Helper()
	c, err := Open(Config{Address: address})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var told []News
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Follow(ctx, func(n News) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, n)
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		c.Close()
	})
	return func() []News {
		mu.Lock()
		defer mu.Unlock()
		return append([]News(nil), told...)
	}
}

func has(told func() []News, ok func(News) bool) func() bool {
	return func() bool {
		for _, n := range told() {
			if ok(n) {
				return true
			}
		}
		return false
	}
}

func TestFollowIsLiveAndComesBack(t *testing.T) {
	f := start(t, true)
	told := followed(t, f.URL)
	until := func(ok func(News) bool) {
		t.Helper()
		require.Eventually(t, has(told, ok), 20*time.Second, 5*time.Millisecond)
	}
	until(func(n News) bool { return n.Live && n.Snapshot != nil && n.Snapshot.Seq == 1 })
	require.Eventually(t, func() bool { return f.open() == 1 }, 10*time.Second, time.Millisecond)
	f.next()
	until(func(n News) bool { return n.Live && n.Snapshot != nil && n.Snapshot.Seq == 2 })
	f.change("paused")
	until(func(n News) bool { return n.Change != nil && n.Change.To == "paused" })
	f.mu.Lock()
	asked := f.asked
	f.mu.Unlock()
	require.Equal(t, 1, asked, "a live follower asks no more")

	f.mu.Lock()
	f.sockets = false
	f.mu.Unlock()
	f.cut()
	f.next()
	until(func(n News) bool { return !n.Live && n.Snapshot != nil && n.Snapshot.Seq == 3 })
	seen := map[uint64]int{}
	for _, n := range told() {
		if n.Snapshot != nil {
			seen[n.Snapshot.Seq]++
		}
	}
	require.Equal(t, map[uint64]int{1: 1, 2: 1, 3: 1}, seen, "each snapshot is delivered once")
}

func TestFollowGoesOnWhileSyncdIsAway(t *testing.T) {
	var mu sync.Mutex
	away := true
	f := start(t, true)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		gone := away
		mu.Unlock()
		if gone {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		f.serve(w, r)
	}))
	defer proxy.Close()
	told := followed(t, proxy.URL)
	require.Eventually(t, has(told, func(n News) bool { return n.Err != nil }), 10*time.Second, 5*time.Millisecond)
	mu.Lock()
	away = false
	mu.Unlock()
	require.Eventually(t, func() bool { return f.open() == 1 }, 10*time.Second, 5*time.Millisecond, "it takes the subscription again soon")
	require.Eventually(t, has(told, func(n News) bool { return n.Snapshot != nil }), 10*time.Second, 5*time.Millisecond)
}

func TestErrorsNameTheCause(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
		part   string
	}{
		"a page":        {200, "<html>", ErrNoSyncd, "sends no JSON-RPC"},
		"nothing known": {200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32011,"message":"nothing is known"}}`, ErrNothing, "nothing is known"},
		"an older one":  {200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no \u001b[2J method"}}`, ErrMethod, "is it syncd, and as new"},
		"no status":     {200, `{"jsonrpc":"2.0","id":1,"result":{}}`, ErrNoSyncd, "is no status"},
		"null":          {200, `{"jsonrpc":"2.0","id":1,"result":null}`, ErrNoSyncd, "is no status"},
		"a proxy":       {502, "bad gateway", ErrNoSyncd, "answers 502"},
		"refused":       {403, "Host is not allowed", ErrNoSyncd, "Host is not allowed"},
		"endless":       {200, `{"jsonrpc":"2.0","id":1,"result":"` + strings.Repeat("x", maxAnswer+1), ErrNoSyncd, "sends no JSON-RPC"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		client, err := Open(Config{Address: server.URL})
		require.NoError(t, err)
		_, err = client.Status(t.Context())
		require.ErrorIs(t, err, c.want, name)
		require.ErrorContains(t, err, c.part, name)
		require.NotContains(t, err.Error(), "\x1b")
		client.Close()
		server.Close()
	}
	client, err := Open(Config{Address: "http://127.0.0.1:1"})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.History(t.Context(), 3)
	require.ErrorIs(t, err, ErrNoSyncd)
	require.ErrorContains(t, err, "is it running, and is this address its --api.listen?")
	for _, bad := range []string{"", "127.0.0.1:8650", "ws://a", "http://", "http://a b"} {
		_, err := Open(Config{Address: bad})
		require.ErrorIs(t, err, ErrAddress, bad)
	}
}
