package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// dialSocket returns the client's end of a WebSocket whose other end serve has until it returns.
func dialSocket(t *testing.T, serve func(*socket)) *websocket.Conn {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("take the connection over: %v", err)
			return
		}
		c := &socket{conn: conn, ctx: r.Context(), stop: func() {}}
		defer c.Close()
		serve(c)
	}))
	t.Cleanup(server.Close)
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { ws.Close() })
	return ws
}

// A message that is no JSON is answered, and the read goes on with the next one: it does
// not return without bytes, as io.Reader asks.
func TestSocketReadGoesOnAfterABadMessage(t *testing.T) {
	type read struct {
		text string
		err  error
	}
	reads := make(chan read, 4)
	ws := dialSocket(t, func(c *socket) {
		defer close(reads)
		for range 3 {
			buf := make([]byte, 8)
			n, err := c.Read(buf)
			reads <- read{string(buf[:n]), err}
		}
	})
	for _, message := range []string{`{"broken`, ``, ` {"id":123} `, `[]`} {
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(message)))
	}
	// A message longer than the buffer is read in pieces; each ends with a newline.
	for _, want := range []string{`{"id":12`, "3}\n", "[]\n"} {
		require.Equal(t, read{want, nil}, <-reads)
	}
	for range 2 {
		_, raw, err := ws.ReadMessage()
		require.NoError(t, err)
		require.Contains(t, string(raw), "the message is no JSON")
	}
	_, more := <-reads
	require.False(t, more)
}

// A message that cannot be sent is an error: go-ethereum's server then ends the connection.
func TestSocketWriteTellsWhatWasSent(t *testing.T) {
	type written struct {
		n  int
		ok bool
	}
	writes := make(chan written, 2)
	dialSocket(t, func(c *socket) {
		defer close(writes)
		for range 2 {
			n, err := c.Write([]byte("{}"))
			writes <- written{n, err == nil}
			_ = c.Close()
		}
	})
	require.Equal(t, written{2, true}, <-writes)
	require.Equal(t, written{0, false}, <-writes, "the connection is closed")
}
