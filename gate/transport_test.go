package gate

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// Ids of every type, notifications, batches and errors pass as they are.
func TestMessagesOfEveryForm(t *testing.T) {
	big := strings.Repeat("ab", 400<<10)
	forms := map[string]string{ // request: answer
		`{"jsonrpc":"2.0","id":1,"method":"eth_a"}`:                                             `{"jsonrpc":"2.0","id":1,"result":"0x1"}`,
		`{"jsonrpc":"2.0","id":"text \"quoted\" }{][","method":"eth_b","params":[]}`:            `{"jsonrpc":"2.0","id":"text \"quoted\" }{][","result":null}`,
		`{"jsonrpc":"2.0","id":-1.5e3,"method":"eth_c"}`:                                        `{"jsonrpc":"2.0","id":-1.5e3,"error":{"code":-32601,"message":"no such method"}}`,
		`{"method":"eth_d","params":[{"a":[1,{"b":"]"}]}],"id":null,"jsonrpc":"2.0"}`:           `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"invalid request"}}`,
		`{"jsonrpc": "2.0",  "id": [1],"method":"eth_e"}`:                                       `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"invalid request"}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"eth_f"},{"jsonrpc":"2.0","id":2,"method":"eth_g"}]`: `[{"jsonrpc":"2.0","id":1,"result":1},{"jsonrpc":"2.0","id":2,"result":{"error":"x"}}]`,
		`[]`: `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"empty batch"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"eth_h","params":["` + big + `"]}`:                               `{"jsonrpc":"2.0","id":7,"result":"` + big + `"}`,
		`{"jsonrpc":"2.0","params":["` + big + `"],"method":"eth_i","id":"late"}`:                          `{"jsonrpc":"2.0","id":"late","result":true}`,
		`[{"jsonrpc":"2.0","id":1,"method":"eth_j","params":["` + big + `"]}]`:                             `[{"jsonrpc":"2.0","id":1,"result":1}]`,
		`{"jsonrpc":"2.0","id":"` + strings.Repeat("i", 3000) + `","method":"dag_finalize","params":[[]]}`: `{"jsonrpc":"2.0","id":"x","result":1}`,
	}
	eachWay(t, func(t *testing.T, listener, backend string) {
		gwat := newStandIn(t, func(raw string) (int, string) { return 200, forms[raw] })
		g := startGate(t, gwat.endpoint(backend), headSync)
		c := dialGate(t, g, listener)
		for request, answer := range forms {
			_, got, err := c.call(request)
			require.NoError(t, err)
			require.Equal(t, answer, trim(got))
		}
		require.Len(t, gwat.messages(), len(forms))
		for _, raw := range gwat.messages() {
			require.Contains(t, forms, raw, "what reaches gwat is what was sent")
		}
	})
}

// A notification has no answer, and the next call has its own.
func TestNotifications(t *testing.T) {
	eachWay(t, func(t *testing.T, listener, backend string) {
		gwat := newStandIn(t, func(raw string) (int, string) {
			if idOf(raw) == "" {
				return 200, ""
			}
			return 200, result(raw, `"0x1"`)
		})
		g := startGate(t, gwat.endpoint(backend), headSync)
		c := dialGate(t, g, listener)
		for i := range 3 {
			note := fmt.Sprintf(`{"jsonrpc":"2.0","method":"eth_note","params":[%d]}`, i)
			if listener == "http" {
				status, answer, err := c.call(note)
				require.NoError(t, err)
				require.Equal(t, 200, status)
				require.Empty(t, answer)
			} else {
				require.NoError(t, c.send(note))
			}
			call := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_a"}`, i)
			_, answer, err := c.call(call)
			require.NoError(t, err)
			require.Equal(t, trim(result(call, `"0x1"`)), trim(answer))
		}
		waitFor(t, "six records", func() bool { return g.Status().Calls == 6 })
		outcomes := map[Outcome]int{}
		for _, c := range g.Calls(0) {
			outcomes[c.Outcome]++
		}
		require.Equal(t, map[Outcome]int{OutcomeOK: 3, OutcomeDelivered: 3}, outcomes)
	})
}

// What gwat answers nothing to over a connection of messages has no answer either where gwat
// refuses it over HTTP; what it answers is refused.
func TestRefusedNotifications(t *testing.T) {
	gwat := newStandIn(t, func(string) (int, string) { return http.StatusUnauthorized, "no token" })
	g := startGate(t, gwat.endpoint("http"), headSync, func(c *Config) { c.Absorb = 200 * time.Millisecond })
	const note, ask = `{"jsonrpc":"2.0","method":"eth_note"}`, `{"jsonrpc":"2.0","id":1,"method":"eth_a"}`
	held := strings.Replace(finalize(1), `"id":1,`, "", 1)
	for _, listener := range kinds[1:] {
		c := dialGate(t, g, listener)
		for _, silent := range []string{note, "[" + note + "," + note + "]", held, "[" + note + "," + held + "]"} {
			require.NoError(t, c.send(silent))
		}
		for raw, of := range map[string]string{
			ask: "1", "[" + note + "," + ask + "]": "null", "[" + note + ",{}]": "null", "[]": "null", "{}": "null",
		} {
			_, answer, err := c.call(raw)
			require.NoError(t, err)
			id, code, text := errorOf(t, answer)
			require.Equal(t, of, id, raw)
			require.Equal(t, codeServer, code)
			require.Contains(t, text, "HTTP 401: no token")
		}
		_, answer, err := c.call("[" + held + "," + ask + "]")
		require.NoError(t, err)
		require.Regexp(t, `^\[\{[^{}]*"id":1,"error":\{[^{}]*\}\}\]\s*$`, answer)
	}
}

// Owned calls of a batch are taken out, the rest reaches gwat in batches, and the
// answer has the order of the batch.
func TestMixedBatch(t *testing.T) {
	eachWay(t, func(t *testing.T, listener, backend string) {
		gwat := newStandIn(t, func(raw string) (int, string) {
			if raw[0] != '[' {
				return 200, result(raw, finalized)
			}
			var calls []json.RawMessage
			_ = json.Unmarshal([]byte(raw), &calls)
			var out []string
			for _, c := range calls {
				if id := idOf(string(c)); id != "" {
					out = append(out, trim(result(string(c), `"ok"`)))
				}
			}
			return 200, "[" + strings.Join(out, ",") + "]\n"
		})
		g := startGate(t, gwat.endpoint(backend), headSync)
		c := dialGate(t, g, listener)
		_, answer, err := c.call(`[{"jsonrpc":"2.0","id":1,"method":"eth_a"}, {"jsonrpc":"2.0","id":"two","method":"eth_b"},` +
			`{"jsonrpc":"2.0","id":3,"method":"dag_headSyncReady","params":[{"slot":"0x0"}]},` +
			finalize(4) + `,{"jsonrpc":"2.0","method":"eth_note"},{"jsonrpc":"2.0","id":5,"method":"eth_c"},` +
			`{"jsonrpc":"2.0","id":6,"method":"dag_headSync","params":[[]]}]`)
		require.NoError(t, err)
		require.Equal(t, `[{"jsonrpc":"2.0","id":1,"result":"ok"},{"jsonrpc":"2.0","id":"two","result":"ok"},`+
			`{"jsonrpc":"2.0","id":3,"result":true},{"jsonrpc":"2.0","id":4,"result":{"error":null}},`+
			`{"jsonrpc":"2.0","id":5,"result":"ok"},{"jsonrpc":"2.0","id":6,"result":true}]`, trim(answer))
		require.Equal(t, []string{
			`[{"jsonrpc":"2.0","id":1,"method":"eth_a"},{"jsonrpc":"2.0","id":"two","method":"eth_b"}]`, finalize(4),
			`[{"jsonrpc":"2.0","method":"eth_note"},{"jsonrpc":"2.0","id":5,"method":"eth_c"}]`,
		}, gwat.messages())
		require.Len(t, g.Calls(0), 7)
	})
}

// While gwat is away each caller gets that error at once and keeps its connection.
func TestGwatAway(t *testing.T) {
	eachWay(t, func(t *testing.T, listener, backend string) {
		gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, "1") })
		away := map[string]string{"http": "http://127.0.0.1:1", "ws": "ws://127.0.0.1:1", "ipc": gwat.ipc + ".away"}[backend]
		g := startGate(t, away, headSync)
		c := dialGate(t, g, listener)
		for i := range 3 {
			began := time.Now()
			status, answer, err := c.call(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_a"}`, i))
			require.NoError(t, err)
			require.Less(t, time.Since(began), 3*time.Second)
			require.Contains(t, answer, away)
			if listener == "http" {
				require.Equal(t, http.StatusBadGateway, status)
			} else {
				require.Contains(t, answer, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"error":{"code":-32000,`, i))
			}
		}
		_, answer, err := c.call(`[{"jsonrpc":"2.0","id":8,"method":"eth_a"},{"jsonrpc":"2.0","id":9,"method":"eth_a"}]`)
		require.NoError(t, err)
		if listener != "http" {
			var batch []json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(answer), &batch))
			require.Len(t, batch, 2)
		}
		waitFor(t, "five records", func() bool { return g.Status().Calls == 5 })
		for _, call := range g.Calls(0) {
			require.Equal(t, OutcomeDown, call.Outcome)
		}
	})
}

// gwat goes away in the middle and comes back: open calls get an error, the
// connection stays and works again.
func TestGwatComesBack(t *testing.T) {
	for _, listener := range []string{"ipc", "ws"} {
		t.Run(listener, func(t *testing.T) {
			path := t.TempDir() + "/gwat.ipc"
			serve := func(answers bool) (stop func()) {
				l, err := net.Listen("unix", path)
				require.NoError(t, err)
				var wg sync.WaitGroup
				var mu sync.Mutex
				var open []net.Conn
				wg.Go(func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						mu.Lock()
						open = append(open, c)
						mu.Unlock()
						wg.Go(func() {
							for r := bufio.NewScanner(c); r.Scan() && answers; {
								fmt.Fprint(c, result(r.Text(), "1"))
							}
						})
					}
				})
				return func() {
					l.Close()
					mu.Lock()
					for _, c := range open {
						c.Close()
					}
					mu.Unlock()
					wg.Wait()
				}
			}
			stop := serve(true)
			g := startGate(t, path, headSync)
			c := dialGate(t, g, listener)
			call := `{"jsonrpc":"2.0","id":1,"method":"eth_a"}`
			_, answer, err := c.call(call)
			require.NoError(t, err)
			require.Equal(t, trim(result(call, "1")), trim(answer))
			stop()

			stop = serve(false)
			require.NoError(t, c.send(call))
			waitFor(t, "the call is at gwat", func() bool {
				g.links.mu.Lock()
				defer g.links.mu.Unlock()
				for l := range g.links.open {
					return !l.idle()
				}
				return false
			})
			time.Sleep(20 * time.Millisecond)
			stop()
			answer, err = c.receive()
			require.NoError(t, err)
			require.Contains(t, answer, `"id":1,"error":`)
			require.Contains(t, answer, path)

			stop = serve(true)
			defer stop()
			_, answer, err = c.call(call)
			require.NoError(t, err)
			require.Equal(t, trim(result(call, "1")), trim(answer))
		})
	}
}

// Notifications of a subscription reach the client, between answers; when gwat
// ends the connection, so does the client's.
func TestSubscriptionsPass(t *testing.T) {
	for _, listener := range []string{"ipc", "ws"} {
		for _, backend := range []string{"ipc", "ws"} {
			t.Run(listener+" to "+backend, func(t *testing.T) {
				note := `{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x9","result":{"id":1}}}` + "\n"
				gwat := newStandIn(t, func(raw string) (int, string) {
					if strings.Contains(raw, "eth_subscribe") {
						if backend == "ws" { // a message of its own each
							return 200, result(raw, `"0x9"`)
						}
						return 200, result(raw, `"0x9"`) + note + note
					}
					if backend == "ws" {
						return 200, note
					}
					return 200, result(raw, "1")
				})
				g := startGate(t, gwat.endpoint(backend), headSync)
				c := dialGate(t, g, listener)
				_, answer, err := c.call(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`)
				require.NoError(t, err)
				require.Contains(t, answer, `"result":"0x9"`)
				require.NoError(t, c.send(`{"jsonrpc":"2.0","id":2,"method":"eth_a"}`))
				answer, err = c.receive()
				require.NoError(t, err)
				require.Equal(t, trim(note), trim(answer))
			})
		}
	}
}

// Authorization and status pass untouched, and a redirect is not followed.
func TestHTTPIsTransparent(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) {
		switch {
		case strings.Contains(raw, "forbidden"):
			return 403, "no such token"
		case strings.Contains(raw, "moved"):
			return 307, "elsewhere"
		}
		return 200, result(raw, "1")
	})
	g := startGate(t, gwat.endpoint("http"), headSync)
	c := dialGate(t, g, "http").(*httpCaller)
	c.header = http.Header{"Authorization": {"Bearer abc.def"}}
	req, err := http.NewRequest(http.MethodPost, c.url+"/some/path?q=1", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_a"}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer abc.def")
	resp, err := c.client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, "Bearer abc.def", resp.Header.Get("X-Saw-Authorization"))
	for method, want := range map[string]int{"forbidden": 403, "moved": 307} {
		status, answer, err := c.call(`{"jsonrpc":"2.0","id":1,"method":"` + method + `"}`)
		require.NoError(t, err)
		require.Equal(t, want, status)
		require.Contains(t, "no such token elsewhere", answer)
	}
}

// A gwat that compresses for callers that take it, as real ones do, is asked not to:
// what a call came to must be readable, and a held one must not be asked again.
func TestCompressingGwat(t *testing.T) {
	var calls int
	gwat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		raw, _ := io.ReadAll(r.Body)
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = io.WriteString(w, result(string(raw), finalized))
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, result(string(raw), finalized))
		_ = z.Close()
	}))
	defer gwat.Close()
	g := startGate(t, gwat.URL, headSync)
	c := dialGate(t, g, "http") // Go's client takes gzip
	for i, raw := range []string{finalize(1), `{"jsonrpc":"2.0","id":2,"method":"dag_sync","params":[]}`} {
		_, answer, err := c.call(raw)
		require.NoError(t, err)
		require.Equal(t, result(raw, finalized), answer)
		waitFor(t, "a record", func() bool { return len(g.Calls(0)) == i+1 })
		require.True(t, g.Calls(0)[i].Worked())
	}
	require.Equal(t, 2, calls)
}

// A caller that hangs up frees what it held at gwat.
func TestCallerHangsUp(t *testing.T) {
	eachWay(t, func(t *testing.T, listener, backend string) {
		release := make(chan struct{})
		gwat := newStandIn(t, func(raw string) (int, string) { <-release; return 200, result(raw, "1") })
		defer close(release)
		g := startGate(t, gwat.endpoint(backend), headSync)
		var c caller
		if listener == "http" {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+g.Addr(NameHTTP).String(), strings.NewReader(finalize(1)))
			require.NoError(t, err)
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() { _, _ = http.DefaultTransport.RoundTrip(req) })
			waitFor(t, "the call is held", func() bool { return g.Status().Held == 1 && len(gwat.messages()) == 1 })
			cancel()
		} else {
			c = dialGate(t, g, listener)
			require.NoError(t, c.send(finalize(1)))
			waitFor(t, "the call is held", func() bool { return g.Status().Held == 1 && len(gwat.messages()) == 1 })
			c.close()
		}
		waitFor(t, "nothing is held", func() bool { return g.Status().Held == 0 && len(g.Calls(0)) == 1 })
		require.Equal(t, OutcomeGone, g.Calls(0)[0].Outcome)
	})
}

// Half an answer reaches the caller as half an answer.
func TestHalfAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,")
			c.Close()
		}
	})
	g := startGate(t, "http://"+l.Addr().String(), headSync)
	_, answer, err := dialGate(t, g, "http").call(`{"jsonrpc":"2.0","id":1,"method":"eth_a"}`)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, `{"jsonrpc":"2.0","id":1,`, answer)
	waitFor(t, "a record", func() bool { return g.Status().Calls == 1 })
	require.Equal(t, OutcomeCut, g.Calls(0)[0].Outcome)

	ipc := dialGate(t, g, "ipc")
	require.NoError(t, ipc.send(`{"jsonrpc":"2.0","id":1,"method":"eth_a"}`))
	_, err = ipc.receive()
	require.Error(t, err, "a message that was begun cannot be taken back")
}

// What is no JSON gets gwat's kind of answer, and other connections live on.
func TestNoJSON(t *testing.T) {
	eachWay(t, func(t *testing.T, listener, backend string) {
		gwat := newStandIn(t, func(raw string) (int, string) {
			if !json.Valid([]byte(raw)) {
				return 200, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`
			}
			return 200, result(raw, "1")
		})
		g := startGate(t, gwat.endpoint(backend), headSync)
		for _, raw := range []string{"nonsense", "5", `"text"`} {
			c := dialGate(t, g, listener)
			if listener != "ipc" || backend != "ipc" { // there it is raw bytes until gwat hangs up
				_, answer, err := c.call(raw)
				require.NoError(t, err, raw)
				require.NotEmpty(t, answer)
			} else {
				require.NoError(t, c.send(raw))
			}
			other := dialGate(t, g, listener)
			call := `{"jsonrpc":"2.0","id":1,"method":"eth_a"}`
			_, answer, err := other.call(call)
			require.NoError(t, err)
			require.Equal(t, trim(result(call, "1")), trim(answer))
		}
	})
}

// An IPC client that sends many calls before it reads gets every answer.
func TestPipelinedCalls(t *testing.T) {
	for _, backend := range []string{"http", "ws", "ipc"} {
		for _, listener := range []string{"ipc", "ws"} {
			t.Run(listener+" to "+backend, func(t *testing.T) {
				gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, "1") })
				g := startGate(t, gwat.endpoint(backend), headSync)
				c := dialGate(t, g, listener)
				const n = 500
				var wg sync.WaitGroup
				wg.Go(func() {
					for i := range n {
						method := "eth_a"
						if i%10 == 0 {
							method = "dag_finalize"
						}
						if c.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"%s","params":[[]]}`, i, method)) != nil {
							return
						}
					}
				})
				got := map[string]bool{}
				for range n {
					answer, err := c.receive()
					require.NoError(t, err)
					got[idOf(answer)] = true
				}
				require.Len(t, got, n)
				wg.Wait()
				if backend != "http" {
					last := -1
					for _, raw := range gwat.messages() {
						if strings.Contains(raw, "eth_a") {
							var id int
							_, _ = fmt.Sscan(idOf(raw), &id)
							require.Greater(t, id, last, "the order of the connection")
							last = id
						}
					}
				}
			})
		}
	}
}

// A web page must not reach gwat's socket over the gate.
func TestWebPagesAreRefused(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, "1") })
	g := startGate(t, gwat.endpoint("ipc"), headSync)
	c := dialGate(t, g, "http").(*httpCaller)
	c.header = http.Header{"Origin": {"http://evil.example"}}
	status, _, err := c.call(`{"jsonrpc":"2.0","id":1,"method":"eth_a"}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status)
	_, resp, err := websocket.DefaultDialer.Dial("ws://"+g.Addr(NameWS).String(), http.Header{"Origin": {"http://evil.example"}})
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	req, err := http.NewRequest(http.MethodPost, c.url, strings.NewReader("{}"))
	require.NoError(t, err)
	req.Host = "rebound.example"
	resp, err = c.client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.Empty(t, gwat.messages())
}

func TestConfig(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, "" })
	g := startGate(t, gwat.ipc, headSync)
	good := g.cfg
	for name, change := range map[string]func(*Config){
		"nothing listens":   func(c *Config) { c.HTTP, c.WS, c.Socket = "", "", "" },
		"is not host:port":  func(c *Config) { c.HTTP = "localhost" },
		"there is no TLS":   func(c *Config) { c.HTTP = "0.0.0.0:8550" },
		"belong together":   func(c *Config) { c.TLSCert = "x" },
		"at most 90":        func(c *Config) { c.Socket = strings.Repeat("x", 91) },
		"endpoint is empty": func(c *Config) { c.Backend = "" },
		"has no scheme":     func(c *Config) { c.Backend = "gwat:8545" },
		"has the scheme":    func(c *Config) { c.Backend = "ftp://gwat" },
		"is negative":       func(c *Config) { c.Absorb = -1 },
		"there is no log":   func(c *Config) { c.Log = nil },
	} {
		cfg := good
		change(&cfg)
		err := cfg.Check()
		require.ErrorIs(t, err, ErrBadConfig)
		require.ErrorContains(t, err, name)
	}
	cfg := good
	cfg.HTTP, cfg.Insecure = "0.0.0.0:8550", true
	require.NoError(t, cfg.Check())

	second, err := New(good) // the socket is busy
	require.NoError(t, err)
	require.ErrorContains(t, second.Listen(), "a running program listens")
}
