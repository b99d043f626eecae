package gate

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// Draining ends each connection as soon as it has no call in flight, and the rest when the
// time is over.
func TestDrainWaitsForCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s links
		begin := time.Now()
		ended := map[string]time.Duration{} // drain ends them one after another
		open := func(name string, calls int) *link {
			l := &link{tasks: make(chan struct{}, maxTasks)}
			for range calls {
				l.tasks <- struct{}{}
			}
			remove := s.add(l)
			l.cancel = func() {
				ended[name] = time.Since(begin)
				go remove() // as serveLink does, when it has ended
			}
			return l
		}
		open("idle", 0)
		busy := open("busy", 1)
		open("stuck", 2)
		time.AfterFunc(95*time.Millisecond, func() { <-busy.tasks })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.drain(ctx)
		s.wait()
		require.Equal(t, map[string]time.Duration{"idle": 0, "busy": 100 * time.Millisecond, "stuck": time.Second}, ended)
		require.Empty(t, s.open)
	})
}

// brokenStream panics when it is read.
type brokenStream struct{ begun, ended atomic.Int32 }

func (s *brokenStream) next() (io.Reader, error)       { panic("a broken stream") }
func (s *brokenStream) begin() (io.WriteCloser, error) { s.begun.Add(1); return nil, io.ErrClosedPipe }
func (s *brokenStream) framed() bool                   { return true }
func (s *brokenStream) conn() net.Conn                 { return nil }
func (s *brokenStream) end(error)                      { s.ended.Add(1) }

// A panic ends the connection whose message caused it, and no other one.
func TestAPanicEndsOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := fakeGate(t, View{}, &fakeBackend{}), &brokenStream{}
		require.NotPanics(t, func() { g.serveLink(t.Context(), s, "ipc", nil) })
		synctest.Wait()
		require.Positive(t, s.ended.Load())
		require.Empty(t, g.links.open)
	})
}

// A batch whose calls are not all known is not answered in part: some of them would wait for ever.
func TestABatchThatIsNotWhollyKnownFails(t *testing.T) {
	for _, more := range []bool{false, true} {
		g, s := fakeGate(t, coordinated, &fakeBackend{}), &brokenStream{}
		l := &link{g: g, client: s}
		l.ctx, l.cancel = context.WithCancel(t.Context())
		rec := records{g: g, calls: make([]Call, 1), ids: []string{"7"}, open: []bool{true}, more: more}
		l.fail(&rec, true, errRefused)
		require.Error(t, l.ctx.Err(), "the client is gone, or shall go")
		require.Equal(t, !more, s.begun.Load() == 1)
	}
}

// cutBackend is a gwat that takes a call and closes the connection before the answer's first byte.
type cutBackend struct{ fakeBackend }

func (*cutBackend) do(_ context.Context, x *exchange) (*reply, error) {
	_, _ = io.Copy(io.Discard, x.body)
	return &reply{status: http.StatusOK, body: io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), length: -1}, nil
}

// An answer that ends before its first byte is an error to the caller, whose connection stays.
func TestAnAnswerThatEndsBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := fakeGate(t, coordinated, &fakeBackend{})
		g.backend = &cutBackend{}
		client, served := net.Pipe()
		ended := make(chan struct{})
		go func() { defer close(ended); g.serveLink(t.Context(), newIPCStream(served), "ipc", nil) }()
		answers := bufio.NewReader(client)
		for _, id := range []string{"7", "8"} {
			_, err := io.WriteString(client, `{"jsonrpc":"2.0","id":`+id+`,"method":"eth_blockNumber","params":[]}`+"\n")
			require.NoError(t, err)
			answer, err := answers.ReadString('\n')
			require.NoError(t, err)
			got, _, text := errorOf(t, answer)
			require.Equal(t, id, got)
			require.Contains(t, text, "before its answer was complete")
		}
		require.NoError(t, client.Close())
		<-ended
	})
}

// The handshake of a WebSocket is tried at a gwat that has one. Elsewhere a connection without
// a call costs none to gwat.
func TestWhichHandshakesReachGwat(t *testing.T) {
	for gwat, want := range map[string]int{"ws://127.0.0.1:1": 1, "/run/gwat.ipc": 0} {
		g, dialed, ended := fakeGate(t, coordinated, &fakeBackend{}), 0, make(chan struct{})
		g.backend = &streamBackend{at: mustParse(gwat), dial: func(context.Context, http.Header) (stream, error) {
			dialed++
			return nil, errRefused
		}}
		served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			g.serveWS(w, r)
		}))
		ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(served.URL, "http"), nil)
		require.NoError(t, err, "a gwat that is away refuses nobody")
		require.NoError(t, ws.Close())
		<-ended
		served.Close()
		require.Equal(t, want, dialed, gwat)
	}
}

// One address serves both HTTP and WebSocket, by one listener.
func TestOneAddressForBoth(t *testing.T) {
	for ws, two := range map[string]bool{"127.0.0.1:0": false, "localhost:0": true, "": false} {
		g := fakeGate(t, coordinated, &fakeBackend{}, func(c *Config) { c.WS = ws })
		require.NoError(t, g.Listen())
		require.NotNil(t, g.Addr(NameHTTP))
		require.Equal(t, two, g.Addr(NameWS) != nil, ws)
		g.closeListeners()
	}
}

// gwat checks Host and Origin where it is reached as the gate is; elsewhere the gate does.
func TestWhoChecksThatNoPageAsks(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	for _, tc := range []struct {
		gwat           string
		upgrade, gwats bool
	}{
		{"http://127.0.0.1:1", false, true}, {"http://127.0.0.1:1", true, false},
		{"ws://127.0.0.1:1", false, false}, {"ws://127.0.0.1:1", true, true},
		{"/run/gwat.ipc", false, false}, {"/run/gwat.ipc", true, false},
	} {
		g := &Gate{at: mustParse(tc.gwat)}
		for _, r := range []struct{ host, origin string }{{"127.0.0.1:8545", "http://page.example"}, {"page.example:8545", ""}} {
			req := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(local)), http.MethodPost, "/", nil)
			req.Host = r.host
			if r.origin != "" {
				req.Header.Set("Origin", r.origin)
			}
			require.Equal(t, !tc.gwats, g.fromPage(req, tc.upgrade), "%+v %+v", tc, r)
		}
	}
}
