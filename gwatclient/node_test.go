package gwatclient

import (
	"bytes"
	"encoding/json"
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
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// request is what a scripted node received.
type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// answer builds a JSON-RPC answer; member is "result" or "error".
func answer(req request, member string, value json.RawMessage) []byte {
	return []byte(`{"jsonrpc":"2.0","id":` + string(req.ID) + `,"` + member + `":` + string(value) + `}`)
}

func result(value string) func(request) []byte {
	return func(req request) []byte { return answer(req, "result", json.RawMessage(value)) }
}

// respond answers a request or a batch by script; an empty answer is none.
func respond(raw []byte, script func(request) []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		var req request
		_ = json.Unmarshal(raw, &req)
		return script(req)
	}
	var reqs []request
	_ = json.Unmarshal(raw, &reqs)
	var parts []string
	for _, req := range reqs {
		parts = append(parts, string(script(req)))
	}
	return []byte("[" + strings.Join(parts, ",") + "]")
}

func scriptHandler(script func(request) []byte) http.HandlerFunc {
	return rawHandler(func(raw []byte) []byte { return respond(raw, script) })
}

// rawHandler answers whole messages over HTTP and WebSocket.
func rawHandler(script func([]byte) []byte) http.HandlerFunc {
	upgrader := websocket.Upgrader{}
	return func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			raw, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(script(raw))
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			_, raw, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if out := script(raw); len(out) > 0 && conn.WriteMessage(websocket.TextMessage, out) != nil {
				return
			}
		}
	}
}

// ipcServer answers on a Unix socket; stop closes it and every connection.
type ipcServer struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	wg       sync.WaitGroup
}

// serveIPC passes every connection to handle.
func serveIPC(t *testing.T, path string, handle func(net.Conn)) *ipcServer {
	t.Helper()
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	s := &ipcServer{listener: listener}
	s.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.wg.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *ipcServer) stop() {
	s.listener.Close()
	s.mu.Lock()
	for _, conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func ipcScript(script func(request) []byte) func(net.Conn) {
	return rawIPC(func(raw []byte) []byte { return respond(raw, script) })
}

// rawIPC answers whole messages.
func rawIPC(script func([]byte) []byte) func(net.Conn) {
	return func(conn net.Conn) {
		dec := json.NewDecoder(conn)
		for {
			var raw json.RawMessage
			if dec.Decode(&raw) != nil {
				return
			}
			if out := script(raw); len(out) > 0 {
				if _, err := conn.Write(append(out, '\n')); err != nil {
					return
				}
			}
		}
	}
}

// transports are the endpoints a scripted node is served on.
var transports = []string{"http", "ws", "ipc"}

// serve runs a scripted node and returns a client of it.
func serve(t *testing.T, transport string, cfg Config, script func(request) []byte) *Client {
	t.Helper()
	return serveRaw(t, transport, cfg, func(raw []byte) []byte { return respond(raw, script) })
}

// serveRaw runs a node that answers whole messages and returns a client of it.
func serveRaw(t *testing.T, transport string, cfg Config, script func([]byte) []byte) *Client {
	t.Helper()
	switch transport {
	case "ipc":
		cfg.Endpoint = filepath.Join(t.TempDir(), "g.ipc")
		serveIPC(t, cfg.Endpoint, rawIPC(script))
	default:
		server := httptest.NewServer(rawHandler(script))
		t.Cleanup(func() { stopServer(server) })
		cfg.Endpoint = transport + strings.TrimPrefix(server.URL, "http")
	}
	return newClient(t, cfg)
}

// serveHTTP runs handler and returns a client of it.
func serveHTTP(t *testing.T, cfg Config, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() { stopServer(server) })
	if cfg.Endpoint == "" {
		cfg.Endpoint = "http"
	}
	cfg.Endpoint += strings.TrimPrefix(server.URL, "http")
	return newClient(t, cfg)
}

func stopServer(server *httptest.Server) {
	server.CloseClientConnections()
	server.Close()
}

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	client, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}
