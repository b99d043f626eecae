package gate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	headSync    = View{Era: checkpoint.EraHeadSync, State: StateWorking}
	coordinated = View{Era: checkpoint.EraCoordinated, State: StateWorking}
	handsOff    = View{State: StateHandsOff}
)

var kinds = []string{"http", "ws", "ipc"}

// standIn is a gwat that answers what a test wants, over all three transports.
type standIn struct {
	// answer returns an HTTP status, of which other transports see only the
	// answer, and the raw answer; no answer at all for "".
	answer func(raw string) (int, string)

	mu   sync.Mutex
	seen []string // raw messages in order of arrival
	http *httptest.Server
	ipc  string
}

func newStandIn(t *testing.T, answer func(string) (int, string)) *standIn {
	t.Helper()
	s := &standIn{answer: answer, ipc: filepath.Join(t.TempDir(), "gwat.ipc")}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	l, err := net.Listen("unix", s.ipc)
	require.NoError(t, err)
	var open sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { c.Close() })
			open.Go(func() { defer stop(); defer c.Close(); s.serveIPC(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		s.http.CloseClientConnections()
		s.http.Close()
		open.Wait()
	})
	return s
}

func (s *standIn) endpoint(k string) string { return endpointOf(k, s.http, s.ipc) }

// endpointOf returns where a stand-in for gwat serves a transport: "http", "ws" or "ipc".
func endpointOf(k string, s *httptest.Server, ipc string) string {
	switch k {
	case "http":
		return s.URL
	case "ws":
		return "ws" + strings.TrimPrefix(s.URL, "http")
	}
	return ipc
}

func (s *standIn) take(raw string) (int, string) {
	s.mu.Lock()
	s.seen = append(s.seen, raw)
	s.mu.Unlock()
	return s.answer(raw)
}

func (s *standIn) messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

func (s *standIn) serve(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		up := websocket.Upgrader{EnableCompression: true, CheckOrigin: func(*http.Request) bool { return true }}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for {
			_, raw, err := ws.ReadMessage()
			if err != nil {
				return
			}
			if _, answer := s.take(string(raw)); answer != "" && ws.WriteMessage(websocket.TextMessage, []byte(answer)) != nil {
				return
			}
		}
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	status, answer := s.take(string(raw))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Saw-Authorization", r.Header.Get("Authorization"))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func (s *standIn) serveIPC(c net.Conn) {
	d := json.NewDecoder(c)
	for {
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return
		}
		if _, answer := s.take(string(raw)); answer != "" {
			if _, err := io.WriteString(c, strings.TrimRight(answer, "\n")+"\n"); err != nil {
				return
			}
		}
	}
}

// startGate runs a gate with all three listeners until the test ends.
func startGate(t *testing.T, backend string, v View, change ...func(*Config)) *Gate {
	t.Helper()
	g, _ := startGateStop(t, backend, v, change...)
	return g
}

func startGateStop(t *testing.T, backend string, v View, change ...func(*Config)) (*Gate, func()) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	cfg := Config{
		HTTP: "127.0.0.1:0", WS: "localhost:0", Socket: filepath.Join(t.TempDir(), "gate.ipc"),
		Backend: backend, View: v, Log: log,
	}
	for _, c := range change {
		c(&cfg)
	}
	g, err := New(cfg)
	require.NoError(t, err)
	require.NoError(t, g.Listen())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(20 * time.Second):
			t.Error("the gate does not stop")
		}
	})
	t.Cleanup(stop)
	return g, stop
}

// caller sends messages to a gate over one connection of a kind.
type caller interface {
	// call sends raw and returns the status (200 where there is none) and the answer.
	call(raw string) (int, string, error)
	send(raw string) error
	receive() (string, error)
	close()
}

func dialGate(t testing.TB, g *Gate, k string) caller {
	t.Helper()
	var c caller
	switch k {
	case "http":
		c = &httpCaller{url: "http://" + g.Addr(NameHTTP).String(), client: &http.Client{Transport: &http.Transport{}}}
	case "ws":
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+g.Addr(NameWS).String(), nil)
		require.NoError(t, err)
		c = &wsCaller{ws}
	default:
		conn, err := net.Dial("unix", g.cfg.Socket)
		require.NoError(t, err)
		c = &ipcCaller{conn, bufio.NewReader(conn)}
	}
	t.Cleanup(c.close)
	return c
}

type httpCaller struct {
	url    string
	client *http.Client
	header http.Header
}

func (c *httpCaller) call(raw string) (int, string, error) {
	req, err := http.NewRequest(http.MethodPost, c.url, strings.NewReader(raw))
	if err != nil {
		return 0, "", err
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}
func (c *httpCaller) send(string) error        { return errors.ErrUnsupported }
func (c *httpCaller) receive() (string, error) { return "", errors.ErrUnsupported }
func (c *httpCaller) close()                   { c.client.CloseIdleConnections() }

type wsCaller struct{ ws *websocket.Conn }

func (c *wsCaller) call(raw string) (int, string, error) { return sendReceive(c, raw) }
func (c *wsCaller) send(raw string) error {
	return c.ws.WriteMessage(websocket.TextMessage, []byte(raw))
}
func (c *wsCaller) receive() (string, error) {
	_, raw, err := c.ws.ReadMessage()
	return string(raw), err
}
func (c *wsCaller) close() { c.ws.Close() }

type ipcCaller struct {
	net.Conn
	r *bufio.Reader
}

func (c *ipcCaller) call(raw string) (int, string, error) { return sendReceive(c, raw) }
func (c *ipcCaller) send(raw string) error {
	_, err := io.WriteString(c.Conn, raw+"\n")
	return err
}
func (c *ipcCaller) receive() (string, error) { return c.r.ReadString('\n') }
func (c *ipcCaller) close()                   { c.Conn.Close() }

func sendReceive(c caller, raw string) (int, string, error) {
	if err := c.send(raw); err != nil {
		return 0, "", err
	}
	answer, err := c.receive()
	return http.StatusOK, answer, err
}

// eachWay runs a test for every listener and backend.
func eachWay(t *testing.T, fn func(t *testing.T, listener, backend string)) {
	for _, listener := range kinds {
		for _, backend := range kinds {
			t.Run(listener+" to "+backend, func(t *testing.T) { fn(t, listener, backend) })
		}
	}
}

func idOf(raw string) string {
	var m struct{ ID json.RawMessage }
	_ = json.Unmarshal([]byte(raw), &m)
	return string(m.ID)
}

func result(raw, value string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", idOf(raw), value)
}

// waitFor waits for a condition: for a minute at most, as 33 MiB take ten seconds under the race
// detector on a slow machine.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, time.Minute, 2*time.Millisecond, what)
}

func trim(s string) string { return string(bytes.TrimRight([]byte(s), "\n")) }

// mustParse returns an endpoint of gwat that is known to be one.
func mustParse(address string) endpoint.Endpoint {
	at, err := endpoint.Gwat.Parse(address)
	if err != nil {
		panic(err)
	}
	return at
}
