package gate

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// A caller's Authorization reaches gwat as it is, in a request or in a handshake, and no
// other caller's goes with a call.
func TestAuthorizationPasses(t *testing.T) {
	for _, listener := range []string{"http", "ws"} {
		for _, backend := range []string{"http", "ws"} {
			t.Run(listener+" to "+backend, func(t *testing.T) {
				var mu sync.Mutex
				tokens := map[string]string{} // by message
				at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					token := r.Header.Get("Authorization")
					note := func(raw []byte) string {
						mu.Lock()
						defer mu.Unlock()
						tokens[string(raw)] = token
						return result(string(raw), "1")
					}
					if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
						raw, _ := io.ReadAll(r.Body)
						_, _ = io.WriteString(w, note(raw))
						return
					}
					up := websocket.Upgrader{}
					ws, err := up.Upgrade(w, r, nil)
					if err != nil {
						return
					}
					defer ws.Close()
					for {
						_, raw, err := ws.ReadMessage()
						if err != nil || ws.WriteMessage(websocket.TextMessage, []byte(note(raw))) != nil {
							return
						}
					}
				}))
				t.Cleanup(at.Close)
				endpoint := at.URL
				if backend == "ws" {
					endpoint = "ws" + strings.TrimPrefix(at.URL, "http")
				}
				g := startGate(t, endpoint, headSync)
				want := map[string]string{}
				for _, token := range []string{"Bearer abc.def", "", "Bearer xyz", "Bearer abc.def"} {
					c := dialWith(t, g, listener, token)
					for _, method := range []string{"eth_a", methodFinalize} { // forwarded, and held
						call := `{"jsonrpc":"2.0","id":"` + token + method + `","method":"` + method + `","params":[[]]}`
						want[call] = token
						_, answer, err := c.call(call)
						require.NoError(t, err)
						require.Equal(t, trim(result(call, "1")), trim(answer))
					}
				}
				mu.Lock()
				defer mu.Unlock()
				require.Equal(t, want, tokens)
			})
		}
	}
}

// dialWith is dialGate with an Authorization header, if it is not empty.
func dialWith(t *testing.T, g *Gate, listener, token string) caller {
	t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", token)
	}
	if listener == "http" {
		c := dialGate(t, g, listener).(*httpCaller)
		c.header = header
		return c
	}
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+g.Addr(NameWS).String(), header)
	require.NoError(t, err)
	t.Cleanup(func() { ws.Close() })
	return &wsCaller{ws}
}

// Over HTTP all headers but those of the one connection pass, in both directions.
func TestHeadersPass(t *testing.T) {
	heads := make(chan *http.Request, 10)
	gwat := serveRaw(t, "HTTP/1.1 418 Teapot\r\nX-Two: a\r\nX-Two: b\r\nKeep-Alive: 5\r\nContent-Type: text/odd\r\nContent-Length: 2\r\n\r\nok",
		func(r *http.Request) { heads <- r })
	g, stop := startGateStop(t, "http://"+gwat, headSync)
	t.Cleanup(stop) // before those that wait for its connections
	c, err := net.Dial("tcp", g.Addr(NameHTTP).String())
	require.NoError(t, err)
	defer c.Close()
	r := bufio.NewReader(c)
	for _, call := range []string{`{"jsonrpc":"2.0","id":1,"method":"eth_a"}`, finalize(2), `{"id":3,"method":"eth_b","params":["` + strings.Repeat("x", 100<<10) + `"]}`} {
		_, err := io.WriteString(c, "POST /path?q=%20 HTTP/1.1\r\nHost: gwat.example:1\r\nConnection: X-Own\r\nX-Own: 1\r\nAuthorization: Bearer t\r\nCookie: a=b\r\n"+
			"X-Two: a\r\nx-two:  b \r\nAccept-Encoding: gzip\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
		require.NoError(t, err)
		w := bufio.NewWriter(c)
		for part := range strings.SplitSeq(call, ",") {
			chunked(w, part)
			if !strings.HasSuffix(call, part) {
				chunked(w, ",")
			}
		}
		_, _ = w.WriteString("0\r\n\r\n")
		require.NoError(t, w.Flush())
		got := <-heads
		require.Equal(t, "/path?q=%20", got.RequestURI)
		require.Equal(t, "gwat.example:1", got.Host)
		got.Header.Del("Content-Length")
		require.Equal(t, http.Header{
			"Authorization": {"Bearer t"}, "Cookie": {"a=b"}, "X-Two": {"a", "b"}, "Content-Type": {"application/json"},
		}, got.Header)
		resp, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "ok", string(body))
		require.Equal(t, 418, resp.StatusCode)
		resp.Header.Del("Date")
		require.Equal(t, http.Header{"X-Two": {"a", "b"}, "Content-Type": {"text/odd"}, "Content-Length": {"2"}}, resp.Header)
	}
}

func chunked(w *bufio.Writer, part string) {
	const digits = "0123456789abcdef"
	size := ""
	for n := len(part); n > 0; n /= 16 {
		size = string(digits[n%16]) + size
	}
	if size != "" {
		_, _ = w.WriteString(size + "\r\n" + part + "\r\n")
	}
}

// A caller that offers to compress its messages goes on without: the gate reads what it
// forwards, and gwat is asked for the same.
func TestCompressionIsNotAgreedOn(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, `"0x1"`) })
	g := startGate(t, gwat.endpoint("ws"), headSync)
	dialer := websocket.Dialer{EnableCompression: true}
	ws, resp, err := dialer.Dial("ws://"+g.Addr(NameWS).String(), nil)
	require.NoError(t, err)
	defer ws.Close()
	require.Empty(t, resp.Header.Get("Sec-WebSocket-Extensions"))
	ws.EnableWriteCompression(true)
	raw := `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":["` + strings.Repeat("a", 4096) + `"]}`
	_, answer, err := (&wsCaller{ws}).call(raw)
	require.NoError(t, err)
	require.Equal(t, result(raw, `"0x1"`), answer)
	require.Equal(t, []string{raw}, gwat.messages())
}
