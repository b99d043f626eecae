package gate

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// saidRaw writes parts to an address, one after the other, and returns all that comes back
// until the connection ends or nothing more comes.
func saidRaw(t *testing.T, address string, parts []string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer c.Close()
	got := make(chan string, 1)
	go func() {
		var all []byte
		buf := make([]byte, 64<<10)
		for {
			_ = c.SetReadDeadline(time.Now().Add(400 * time.Millisecond))
			n, err := c.Read(buf)
			all = append(all, buf[:n]...)
			if err != nil {
				end := " (open)"
				if late, ok := err.(net.Error); !ok || !late.Timeout() {
					end = " (ended)"
				}
				got <- string(all) + end
				return
			}
		}
	}()
	for i, part := range parts {
		if i > 0 {
			<-time.After(5 * time.Millisecond) // in segments of their own
		}
		_, _ = io.WriteString(c, part)
	}
	return <-got
}

var headOf = regexp.MustCompile(`(HTTP/1\.[^\r]*)\r\n(([^\r]+\r\n)*)\r\n`)

// sortedHeads returns answers without the time, and with the headers of each in one order.
func sortedHeads(answers string) string {
	return headOf.ReplaceAllStringFunc(answers, func(head string) string {
		lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "Date: ") })
		slices.Sort(lines[1:])
		return strings.Join(lines, "\r\n") + "\r\n\r\n"
	})
}

// A client that writes HTTP in a way of its own is answered as by gwat itself.
func TestStrangeHTTPClients(t *testing.T) {
	const call, owned = `{"jsonrpc":"2.0","id":1,"method":"dag_a"}`, `{"jsonrpc":"2.0","id":1,"method":"dag_headSyncReady","params":[{}]}`
	post := func(line, headers, body string) string {
		return line + "\r\nHost: localhost\r\nContent-Type: application/json\r\n" + headers + "\r\n" + body
	}
	const line = "POST / HTTP/1.1"
	whole := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n", len(body)) }
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n", len(call), call)
	plainly := post(line, whole(call), call)
	forms := map[string][]string{
		"plainly":               {plainly},
		"byte by byte":          strings.Split(plainly, ""),
		"two at once":           {plainly + plainly},
		"three, cut in between": {plainly + plainly[:20], plainly[20:] + plainly},
		"HTTP/1.0":              {post("POST / HTTP/1.0", whole(call), call)},
		"HTTP/1.0 kept":         {post("POST / HTTP/1.0", "Connection: keep-alive\r\n"+whole(call), call)},
		"closing":               {post(line, "Connection: close\r\n"+whole(call), call)},
		"chunks":                {post(line, "Transfer-Encoding: chunked\r\n", chunks+"\r\n")},
		"chunks and a trailer":  {post(line, "Transfer-Encoding: chunked\r\nTrailer: X-A\r\n", chunks+"X-A: b\r\n\r\n")},
		"chunks and a length":   {post(line, "Transfer-Encoding: chunked\r\n"+whole(call), chunks+"\r\n")},
		"asks first":            {post(line, "Expect: 100-continue\r\n"+whole(call), ""), call},
		"asks for the unknown":  {post(line, "Expect: 200-maybe\r\n"+whole(call), call)},
		"the length twice":      {post(line, whole(call)+whole(call), call)},
		"two lengths":           {post(line, whole(call)+"Content-Length: 3\r\n", call)},
		"a negative length":     {post(line, "Content-Length: -1\r\n", call)},
		"no length":             {post(line, "", "")},
		"no host":               {line + "\r\nContent-Type: application/json\r\n" + whole(call) + "\r\n" + call},
		"two hosts":             {post(line, "Host: b\r\n"+whole(call), call)},
		"an empty host":         {line + "\r\nHost:\r\nContent-Type: application/json\r\n" + whole(call) + "\r\n" + call},
		"bare line ends":        {strings.ReplaceAll(plainly, "\r\n", "\n")},
		"lines in front":        {"\r\n" + plainly},
		"another type":          {strings.Replace(plainly, "application/json", "text/plain", 1)},
		"compressed, it says":   {post(line, "Content-Encoding: gzip\r\n"+whole(call), call)},
		"PUT":                   {post("PUT / HTTP/1.1", whole(call), call)},
		"GET":                   {post("GET / HTTP/1.1", "", "")},
		"HEAD":                  {post("HEAD / HTTP/1.1", "", "")},
		"OPTIONS":               {post("OPTIONS / HTTP/1.1", whole(call), call)},
		"a whole URL":           {post("POST http://localhost/ HTTP/1.1", whole(call), call)},
		"another version":       {post("POST / HTTP/3.7", whole(call), call)},
		"nonsense":              {"nonsense\r\n\r\n"},
		"a body too many":       {plainly + "x"},
		"spaces around JSON":    {post(line, whole(" \n"+call+"\t \r\n"), " \n"+call+"\t \r\n")},
		"a second call in it":   {post(line, whole(call+owned), call+owned)},
		"an empty batch":        {post(line, whole("[]"), "[]")},
	}
	gwat := newRealServer(t)
	g := startGate(t, gwat.endpoint("http"), headSync)
	for name, parts := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := sortedHeads(saidRaw(t, strings.TrimPrefix(gwat.http.URL, "http://"), parts))
			got := sortedHeads(saidRaw(t, g.Addr(NameHTTP).String(), parts))
			require.Equal(t, want, got)
		})
	}
}

// A message over WebSocket may come in fragments of any size with pings between them, and one
// over a socket in pieces, or together with others: what is in it counts.
func TestStrangePieces(t *testing.T) {
	const owned = `{"jsonrpc":"2.0","id":2,"method":"dag_headSyncReady","params":[{}]}`
	for _, backend := range kinds {
		gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, `"0x1"`) })
		g := startGate(t, gwat.endpoint(backend), headSync)
		dialer := websocket.Dialer{WriteBufferSize: 14 + 3} // three bytes of each fragment
		ws, _, err := dialer.Dial("ws://"+g.Addr(NameWS).String(), nil)
		require.NoError(t, err)
		defer ws.Close()
		pongs := 0
		ws.SetPongHandler(func(string) error { pongs++; return nil })
		for _, call := range []string{blockNumber, owned} {
			w, err := ws.NextWriter(websocket.TextMessage)
			require.NoError(t, err)
			for _, b := range []byte(call) {
				_, err = w.Write([]byte{b})
				require.NoError(t, err)
				require.NoError(t, ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)))
			}
			require.NoError(t, w.Close())
			_, answer, err := ws.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, idOf(call), idOf(string(answer)))
		}
		require.Equal(t, len(blockNumber)+len(owned), pongs)

		c := dialGate(t, g, "ipc").(*ipcCaller)
		for _, b := range []byte(blockNumber + owned) {
			_, err := c.Write([]byte{b})
			require.NoError(t, err)
		}
		_, err = io.WriteString(c, blockNumber+owned+"\n\t "+owned+"["+blockNumber+"]")
		require.NoError(t, err)
		owns := 0
		for range 6 {
			answer, err := c.receive()
			require.NoError(t, err)
			owns += strings.Count(answer, `"result":true`)
		}
		require.Equal(t, 3, owns)
		require.NotContains(t, strings.Join(gwat.messages(), ""), methodReady)
	}
}
