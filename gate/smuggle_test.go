package gate

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// driven is the API of a gwat that nobody but syncd may drive.
type driven struct{ calls atomic.Int64 }

// HeadSyncReady counts a call.
func (d *driven) HeadSyncReady(any) bool { d.calls.Add(1); return true }

// HeadSync counts a call.
func (d *driven) HeadSync([]any) bool { d.calls.Add(1); return true }

// realServer reads calls as gwat does, with the library that gwat is made of.
type realServer struct {
	driven
	http *httptest.Server // and WebSockets
	ipc  string
}

func newRealServer(t *testing.T) *realServer {
	t.Helper()
	s := &realServer{ipc: filepath.Join(t.TempDir(), "gwat.ipc")}
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("dag", &s.driven))
	ws := server.WebsocketHandler([]string{"*"})
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			ws.ServeHTTP(w, r)
			return
		}
		server.ServeHTTP(w, r)
	}))
	l, err := net.Listen("unix", s.ipc)
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ServeListener(l) })
	t.Cleanup(func() {
		l.Close()
		server.Stop()
		s.http.CloseClientConnections()
		s.http.Close()
		serving.Wait()
	})
	return s
}

func (s *realServer) endpoint(k string) string { return endpointOf(k, s.http, s.ipc) }

// deliver sends raw bytes to an endpoint and waits until they are answered or refused.
func deliver(t *testing.T, to, method, raw string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	switch {
	case strings.HasPrefix(to, "http"):
		req, err := http.NewRequestWithContext(ctx, cmp.Or(method, http.MethodPost), to, strings.NewReader(raw))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		client := http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		resp, err := client.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
	case strings.HasPrefix(to, "ws"):
		ws, _, err := websocket.DefaultDialer.DialContext(ctx, to, nil)
		require.NoError(t, err)
		defer ws.Close()
		require.NoError(t, ws.SetReadDeadline(time.Now().Add(10*time.Second)))
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(raw)))
		_, _, err = ws.ReadMessage()
		requireNoTimeout(t, err)
	default:
		c, err := net.Dial("unix", to)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, _ = io.WriteString(c, raw+"\n") // the other end may be gone before it has all
		r := bufio.NewReader(c)
		_, err = r.ReadString('\n')
		requireNoTimeout(t, err)
		if raw[0] != '{' && raw[0] != '[' && err == nil {
			_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
			_, _ = r.ReadString('\n') // of what follows a value that is no call
		}
	}
}

func requireNoTimeout(t *testing.T, err error) {
	t.Helper()
	var late net.Error
	if err != nil {
		require.NotErrorAs(t, err, &late)
	}
}

// escaped writes each letter of s as JSON lets it be written, too.
func escaped(s string) string {
	var out strings.Builder
	for _, r := range s {
		fmt.Fprintf(&out, `\u%04x`, r)
	}
	return out.String()
}

// A call that the gate answers reaches gwat in no spelling that gwat understands.
func TestDriverIsSmuggledInNoForm(t *testing.T) {
	const ready, push = `"id":1,"method":"dag_headSyncReady","params":[{}]}`, `"id":1,"method":"dag_headSync","params":[[]]}`
	spaces, long := strings.Repeat(" ", 300), strings.Repeat("x", 80<<10)
	forms := map[string]struct {
		method string // of HTTP; "" for POST
		raw    string
	}{
		"plainly":                       {"", `{"jsonrpc":"2.0",` + ready},
		"the method twice":              {"", `{"jsonrpc":"2.0","method":"eth_a",` + push},
		"then null":                     {"", `{"jsonrpc":"2.0","id":1,"method":"dag_headSync","method":null,"params":[[]]}`},
		"then a number":                 {"", `{"jsonrpc":"2.0","id":1,"method":"dag_headSync","METHOD":7,"params":[[]]}`},
		"then an object":                {"", `{"jsonrpc":"2.0","id":1,"method":"dag_headSync","method":{"a":"b"},"params":[[]]}`},
		"then a list":                   {"", `{"jsonrpc":"2.0","id":1,"method":"dag_headSync","method":["dag_sync"],"params":[[]]}`},
		"the second after 80 KiB":       {"", `{"jsonrpc":"2.0","method":"eth_a","x":"` + long + `",` + push},
		"the method after 80 KiB":       {"", `{"jsonrpc":"2.0","params":[{"x":"` + long + `"}],"id":1,"method":"dag_headSyncReady"}`},
		"80 KiB before the call":        {"", strings.Repeat(" ", 80<<10) + `{"jsonrpc":"2.0",` + push},
		"spaces before the method":      {"", `{"jsonrpc":"2.0","id":1,"method":` + spaces + `"dag_headSync","params":[[]]}`},
		"spaces behind it":              {"", `{"jsonrpc":"2.0","id":1,"method":"dag_headSync"` + spaces + `,"params":[[]]}`},
		"an escaped method":             {"", `{"jsonrpc":"2.0","id":1,"method":"` + escaped("dag_headSyncReady") + `","params":[{}]}`},
		"an escaped name of the method": {"", `{"jsonrpc":"2.0","id":1,"` + escaped("method") + `":"dag_headSync","params":[[]]}`},
		"another case of the name":      {"", `{"jsonrpc":"2.0","id":1,"mEtHoD":"dag_headSync","params":[[]]}`},
		"spaces before the id":          {"", `{"jsonrpc":"2.0","id":` + strings.Repeat(" ", 2000) + `1,"method":"dag_headSync","params":[[]]}`},
		"a long id":                     {"", `{"jsonrpc":"2.0","id":"` + long + `","method":"dag_headSync","params":[[]]}`},
		"a huge number as id":           {"", `{"jsonrpc":"2.0","id":` + strings.Repeat("9", 2000) + `,"method":"dag_headSync","params":[[]]}`},
		"null as id":                    {"", `{"jsonrpc":"2.0","id":null,"method":"dag_headSync","params":[[]]}`},
		"in a batch":                    {"", `[{"jsonrpc":"2.0","id":2,"method":"dag_a"},{"jsonrpc":"2.0",` + push + `]`},
		"in a batch, then null":         {"", `[{"jsonrpc":"2.0","id":1,"method":"dag_headSync","method":null,"params":[[]]}]`},
		"in a batch with a long id":     {"", `[{"jsonrpc":"2.0","id":"` + long + `","method":"dag_headSync","params":[[]]}]`},
		"after a value that is no call": {"", `5 {"jsonrpc":"2.0",` + push},
		"after a text":                  {"", `"]" {"jsonrpc":"2.0",` + push},
		"by GET":                        {http.MethodGet, `{"jsonrpc":"2.0",` + push},
		"by PATCH":                      {http.MethodPatch, `{"jsonrpc":"2.0",` + push},
		"by OPTIONS":                    {http.MethodOptions, `[{"jsonrpc":"2.0",` + push + `]`},
		"by a method of its own":        {"DRIVE", `{"jsonrpc":"2.0",` + push},
	}
	gwat := newRealServer(t)
	gates := gatesBefore(t, gwat)
	for name, f := range forms {
		t.Run(name, func(t *testing.T) {
			before, over := gwat.calls.Load(), ""
			for _, k := range kinds {
				deliver(t, gwat.endpoint(k), f.method, f.raw)
				over += fmt.Sprint(k, ":", gwat.calls.Load()-before, " ")
			}
			if name != "another case of the name" { // which gwat's own, older library takes
				require.Greater(t, gwat.calls.Load(), before, "gwat takes it over no transport: the form proves nothing")
			}
			t.Log("gwat takes it", over)
			for backend, g := range gates {
				for listener, to := range map[string]string{
					"http": "http://" + g.Addr(NameHTTP).String(), "ws": "ws://" + g.Addr(NameWS).String(), "ipc": g.cfg.Socket,
				} {
					before := gwat.calls.Load()
					deliver(t, to, f.method, f.raw)
					require.Equal(t, before, gwat.calls.Load(), "%s to %s", listener, backend)
				}
			}
		})
	}
}

// saidTo sends raw bytes to an endpoint and returns the answer, and the status of HTTP.
func saidTo(t *testing.T, to, raw string) string {
	t.Helper()
	switch {
	case strings.HasPrefix(to, "http"):
		resp, err := http.Post(to, "application/json", strings.NewReader(raw))
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return fmt.Sprint(resp.StatusCode, " ", string(body))
	case strings.HasPrefix(to, "ws"):
		ws, _, err := websocket.DefaultDialer.Dial(to, nil)
		require.NoError(t, err)
		defer ws.Close()
		require.NoError(t, ws.SetReadDeadline(time.Now().Add(10*time.Second)))
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(raw)))
		_, answer, err := ws.ReadMessage()
		requireNoTimeout(t, err)
		return string(answer)
	}
	c, err := net.Dial("unix", to)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, _ = io.WriteString(c, raw)
	answer, err := bufio.NewReader(c).ReadString('\n')
	requireNoTimeout(t, err)
	return answer
}

// What gwat takes for no call has gwat's own answer, whatever owned method it names.
func TestWhatIsNoCallIsAnsweredByGwat(t *testing.T) {
	const ready = `"jsonrpc":"2.0","method":"dag_headSyncReady","params":[{}]`
	forms := map[string]string{
		"an object as id":           `{"id":{},` + ready + `}`,
		"a list as id":              `{"id":[1],` + ready + `}`,
		"an object as last id":      `{"id":1,` + ready + `,"id":{}}`,
		"an id late":                `{` + ready + `,"id":{"a":1}}`,
		"an object as id, in batch": `[{"id":{},` + ready + `}]`,
		"a bracket too many":        `{"id":1,` + ready + `,"x":[}]}`,
		"a comma too many":          `{"id":1,` + ready + `,}`,
		"a name without quotes":     `{"id":1,a:1,` + ready + `}`,
		"a raw line end in a text":  "{\"id\":1,\"x\":\"\n\"," + ready + `}`,
		"a bad escape":              `{"id":1,"x":"\q",` + ready + `}`,
		"a bad number":              `{"id":01,` + ready + `}`,
		"in a batch that is none":   `[{"id":1,` + ready + `},]`,
		"a nested batch":            `[[{"id":1,` + ready + `}]]`,
		"in params":                 `{"id":1,"jsonrpc":"2.0","method":"dag_a","params":[{"id":1,` + ready + `}]}`,
		"a method in a list":        `[["method","dag_headSyncReady"]]`,
		"another name in front":     `{"id":1,"jsonrpc":"2.0","method":" dag_headSyncReady","params":[{}]}`,
		"another case":              `{"id":1,"jsonrpc":"2.0","method":"dag_HeadSyncReady","params":[{}]}`,
		"a broken letter":           `{"id":1,"jsonrpc":"2.0","method":"dag_headSyncReady` + "\xff" + `","params":[{}]}`,
		"half a letter":             `{"id":1,"jsonrpc":"2.0","method":"dag_headSyncReady\ud800","params":[{}]}`,
		"a mark of the byte order":  "\ufeff" + `{"id":1,` + ready + `}`,
		"of two bytes a letter":     strings.Join(strings.Split(`{"id":1,`+ready+`}`, ""), "\x00"),
		"deeper than JSON may be":   `{"id":1,` + ready + `,"x":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`,
	}
	gwat := newRealServer(t)
	gates := gatesBefore(t, gwat)
	for name, raw := range forms {
		t.Run(name, func(t *testing.T) {
			for _, listener := range kinds {
				want := saidTo(t, gwat.endpoint(listener), raw)
				for backend, g := range gates {
					to := map[string]string{
						"http": "http://" + g.Addr(NameHTTP).String(), "ws": "ws://" + g.Addr(NameWS).String(), "ipc": g.cfg.Socket,
					}[listener]
					got := saidTo(t, to, raw)
					switch {
					case listener == "ipc" && strings.Contains(want, "-32700"): // gwat ends the connection, perhaps without an answer
						require.Regexp(t, `^$|"error":\{"code":-32`, got, backend)
					case listener == backend:
						require.Equal(t, want, got, listener)
					}
					require.NotContains(t, got, `"result":true`, "%s to %s", listener, backend)
					require.Zero(t, g.Status().Asked, "%s to %s", listener, backend)
				}
			}
			require.Zero(t, gwat.calls.Load(), "gwat executes it")
		})
	}
}

// An id that is too long to be kept is repeated whole by what the gate says itself.
func TestLongIDs(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, finalized) })
	g := startGate(t, gwat.endpoint("ipc"), headSync)
	away := startGate(t, gwat.ipc+".away", headSync)
	id := `"` + strings.Repeat("i", 3000) + `"`
	for _, listener := range kinds {
		c := dialGate(t, g, listener)
		for _, method := range []string{methodReady, methodHeadSync, methodFinalize} {
			_, answer, err := c.call(`{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":[[]]}`)
			require.NoError(t, err)
			require.Equal(t, id, idOf(answer), method)
		}
		_, answer, err := dialGate(t, away, listener).call(`{"jsonrpc":"2.0","id":` + id + `,"method":"eth_a"}`)
		require.NoError(t, err)
		require.Equal(t, listener != "http", json.Valid([]byte(answer)), "%s: %.60s", listener, answer)
	}
	require.Len(t, gwat.messages(), 3, "one dag_finalize of each")
}

// A caller that sends its call in chunks is missed when it hangs up during a hold, as any other.
func TestChunkedCallerHangsUp(t *testing.T) {
	g := startGate(t, "http://127.0.0.1:1", headSync)
	c, err := net.Dial("tcp", g.Addr(NameHTTP).String())
	require.NoError(t, err)
	_, err = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(finalize(1)), finalize(1))
	require.NoError(t, err)
	_, err = io.WriteString(c, "0\r\n\r\n")
	require.NoError(t, err)
	waitFor(t, "a held call", func() bool { return g.Status().Held == 1 })
	require.NoError(t, c.Close())
	waitFor(t, "its end", func() bool { return g.Status().Calls == 1 })
	require.Equal(t, OutcomeGone, g.Calls(0)[0].Outcome)
	require.Zero(t, g.Status().Held)
}

// gatesBefore returns a gate before gwat for each kind of backend.
func gatesBefore(t *testing.T, gwat *realServer) map[string]*Gate {
	t.Helper()
	gates := map[string]*Gate{}
	for _, backend := range kinds {
		gates[backend] = startGate(t, gwat.endpoint(backend), headSync)
	}
	return gates
}
