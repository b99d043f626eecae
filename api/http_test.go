package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

func TestReadyz(t *testing.T) {
	src := &fakePair{}
	url := "http://" + start(t, src, nil) + "/readyz"
	get := func() (int, readiness) {
		code, body, header := ask(t, http.MethodGet, url, "", nil)
		require.Equal(t, "application/json", header.Get("Content-Type"))
		var out readiness
		require.NoError(t, json.Unmarshal([]byte(body), &out))
		plain, text, header := ask(t, http.MethodGet, url+"?verbose", "", nil)
		require.Equal(t, code, plain, "both forms say the same")
		require.Contains(t, header.Get("Content-Type"), "text/plain")
		require.Equal(t, code == http.StatusOK, strings.HasSuffix(text, "\nready\n"), text)
		require.Equal(t, code == http.StatusOK, !strings.Contains(text, "[-]"), text)
		return code, out
	}
	code, out := get()
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "nothing is known about the pair yet", out.Reason)

	next := since.Add(time.Second)
	src.snap.Store(&status.Snapshot{At: time.Now(), Stage: "head_sync_ready", Verdict: status.VerdictSyncing, Waiting: "gwat: procedure is locked", Reason: "r", Since: since, NextTry: &next})
	code, out = get()
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, readiness{Stage: "head_sync_ready", Verdict: "syncing", Reason: "gwat: procedure is locked", Since: &since, NextTry: &next}, out)

	verdicts := []string{status.VerdictUnknown, status.VerdictSyncing, status.VerdictWorking, status.VerdictFailing, status.VerdictPaused, status.VerdictHalted, ""}
	for _, stage := range fsm.Stages() {
		for _, verdict := range verdicts {
			src.snap.Store(&status.Snapshot{At: time.Now(), Stage: string(stage), Verdict: verdict, Reason: "why"})
			code, out = get()
			ready := stage == fsm.Working && verdict == status.VerdictWorking
			require.Equal(t, ready, code == http.StatusOK, "%s %s", stage, verdict)
			require.Equal(t, ready, out.Ready)
			require.Equal(t, ready, out.Reason == "working" && verdict != "", out.Reason)
		}
	}
	src.snap.Store(&status.Snapshot{At: time.Now().Add(-time.Minute), Stage: string(fsm.Working), Verdict: status.VerdictWorking})
	code, out = get()
	require.Equal(t, http.StatusServiceUnavailable, code, "a loop that hangs is not working")
	require.Contains(t, out.Reason, "1m0s old")

	src.snap.Store(&status.Snapshot{At: time.Now(), Stage: "paused", Verdict: status.VerdictPaused})
	_, out = get()
	require.Equal(t, "the pair is in stage paused", out.Reason)
}

func TestReadyzVerboseNamesEachCondition(t *testing.T) {
	src := &fakePair{}
	now := time.Now()
	addr := start(t, src, func(c *Config) { c.Now = func() time.Time { return now } })
	for _, c := range []struct {
		snap status.Snapshot
		want string
	}{
		{status.Snapshot{Seq: 8, At: now.Add(-time.Second), Stage: "working", Verdict: status.VerdictWorking, Findings: []status.Finding{{Name: "few_peers", Severity: status.SeverityWarning, Summary: "one peer"}}},
			"[+] snapshot: 1s old, seq 8\n[+] stage: working\n[+] findings: none is critical\n[+] verdict: working\nready\n"},
		{status.Snapshot{Seq: 9, At: now, Stage: "working", Verdict: status.VerdictFailing, Findings: []status.Finding{{Name: "gwat_hung", Severity: status.SeverityCritical, Summary: "gwat does not answer"}}},
			"[+] snapshot: 0s old, seq 9\n[+] stage: working\n[-] gwat_hung: gwat does not answer\n[-] verdict: failing\nnot ready\n"},
		{status.Snapshot{Seq: 9, At: now.Add(-40 * time.Second), Stage: "dag_sync", Waiting: "gwat", Verdict: status.VerdictSyncing},
			"[-] snapshot: what syncd knows is 40s old: its loop hangs\n[-] stage: dag_sync: gwat\n[+] findings: none is critical\n[-] verdict: syncing\nnot ready\n"},
	} {
		src.snap.Store(&c.snap)
		_, body, _ := ask(t, http.MethodGet, "http://"+addr+"/readyz?verbose", "", nil)
		require.Equal(t, c.want, body)
	}
}

func TestPaths(t *testing.T) {
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "syncd_test", Help: "A gauge."})
	registry.MustRegister(gauge)
	base := "http://" + start(t, &fakePair{}, func(c *Config) { c.Gatherer = registry })
	for _, c := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/livez", 200, "ok"},
		{"GET", "/metrics", 200, "syncd_test 0"},
		{"GET", "/", 200, "POST / (JSON-RPC"},
		{"GET", "/ready", 404, "GET /readyz"},
		{"POST", "/rpc", 404, "POST / (JSON-RPC"},
		{"PUT", "/", 405, "JSON-RPC is asked by POST"},
		{"POST", "/livez", 404, "GET /livez"},
	} {
		code, body, header := ask(t, c.method, base+c.path, "", nil)
		require.Equal(t, c.code, code, c.path)
		require.Contains(t, body, c.body)
		require.True(t, strings.HasPrefix(header.Get("Content-Type"), "text/plain"), c.path)
	}
}

func TestPage(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeText(w, http.StatusOK, "page "+r.URL.Path) })
	base := "http://" + start(t, &fakePair{}, func(c *Config) { c.Page = page })
	for path, want := range map[string]string{
		"/": "page /", "/assets/app.js": "page /assets/app.js", "/livez": "ok", "/other": "There is nothing",
	} {
		_, body, _ := ask(t, http.MethodGet, base+path, "", nil)
		require.Contains(t, body, want, path)
	}
	code, _, _ := ask(t, http.MethodGet, base+"/", "", func(r *http.Request) { r.Host = "evil.example" })
	require.Equal(t, http.StatusForbidden, code, "the gate stands before the page")
	code, _, _ = ask(t, http.MethodPost, base+"/assets/app.js", "{}", nil)
	require.Equal(t, http.StatusNotFound, code)
	code, body, _ := ask(t, http.MethodPost, base+"/", `{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`, nil)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "-32011", "JSON-RPC stays at /")
}

func TestHosts(t *testing.T) {
	for name, c := range map[string]struct {
		listen  string
		allowed []string
		good    []string
		bad     []string
	}{
		"default": {
			listen: "127.0.0.1:0",
			good:   []string{"localhost", "LOCALHOST:1", "127.0.0.1:8650", "127.0.0.2", "[::1]:8650", "[::1]"},
			bad:    []string{"evil.example", "evil.example:8650", "localhost.evil.example", "10.0.0.1", "0.0.0.0", "127.0.0.1.evil.example"},
		},
		"all addresses": {
			listen: "0.0.0.0:0",
			good:   []string{"localhost", "10.0.0.1:8650", "[2001:db8::1]:8650"},
			bad:    []string{"evil.example", "syncd:8650"},
		},
		"configured": {
			listen: "127.0.0.1:0", allowed: []string{"Syncd", "status.example:443"},
			good: []string{"syncd:8650", "syncd", "status.example"},
			bad:  []string{"evil.example", "sub.status.example"},
		},
		"any": {listen: "127.0.0.1:0", allowed: []string{"*"}, good: []string{"evil.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := start(t, &fakePair{}, func(cfg *Config) { cfg.Listen, cfg.AllowedHosts, cfg.Insecure = c.listen, c.allowed, true })
			_, port, err := net.SplitHostPort(addr)
			require.NoError(t, err)
			for want, hosts := range map[int][]string{http.StatusOK: c.good, http.StatusForbidden: c.bad} {
				for _, host := range hosts {
					code, body, _ := ask(t, http.MethodGet, "http://127.0.0.1:"+port+"/livez", "", func(r *http.Request) { r.Host = host })
					require.Equal(t, want, code, host)
					if want == http.StatusForbidden {
						require.Contains(t, body, "--api.allowed-hosts")
					}
				}
			}
		})
	}
}

// Public report 15 (403 on 677a403): probes of HAProxy and of HTTP/1.0 name no host.
// A browser cannot leave it out, so that it is let in without one.
func TestAProbeWithoutAHost(t *testing.T) {
	src := &fakePair{}
	src.snap.Store(&status.Snapshot{Stage: "working", Verdict: status.VerdictWorking, At: time.Now()})
	addr := start(t, src, nil)
	for request, want := range map[string]string{
		"GET /livez HTTP/1.0\r\n\r\n":                                             "200 OK",
		"GET /readyz HTTP/1.0\r\n\r\n":                                            "200 OK",
		"GET /metrics HTTP/1.0\r\n\r\n":                                           "200 OK",
		"HEAD /livez HTTP/1.0\r\n\r\n":                                            "200 OK",
		"GET /livez HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n":               "200 OK",
		"GET /livez HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n":              "200 OK",
		"GET /livez HTTP/1.1\r\nHost: :8650\r\nConnection: close\r\n\r\n":         "200 OK",
		"GET /livez HTTP/1.1\r\nHost: localhost:0\r\nConnection: close\r\n\r\n":   "200 OK",
		"GET /livez HTTP/1.0\r\nHost: evil.example\r\n\r\n":                       "403 Forbidden",
		"GET http://evil.example/livez HTTP/1.0\r\n\r\n":                          "403 Forbidden",
		"GET /livez HTTP/1.0\r\nOrigin: http://evil.example\r\n\r\n":              "403 Forbidden",
		"GET /livez HTTP/1.0\r\nOrigin: null\r\n\r\n":                             "403 Forbidden",
		"GET /livez HTTP/1.1\r\nHost: .\r\nConnection: close\r\n\r\n":             "403 Forbidden",
		"GET /livez HTTP/1.1\r\nHost: []:1\r\nConnection: close\r\n\r\n":          "403 Forbidden",
		"GET /livez HTTP/1.1\r\nHost: evil.example.\r\nConnection: close\r\n\r\n": "403 Forbidden",
	} {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = conn.Write([]byte(request))
		require.NoError(t, err)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		line, _, _ := strings.Cut(string(answer), "\r\n")
		require.Contains(t, line, want, request)
	}
}

// An address of version 6 that is listened on may be named in any of its forms.
func TestAHostOfVersion6InAnyForm(t *testing.T) {
	g, err := newGate("2001:db8::1", nil, nil)
	require.NoError(t, err)
	for host, want := range map[string]bool{
		"[2001:db8::1]:8650": true, "[2001:DB8:0:0::1]": true, "[2001:db8::2]:8650": false, "[::1]:0": true, "[::ffff:127.0.0.1]:8650": true,
	} {
		require.Equal(t, want, g.hostAllowed(host), host)
	}
}

func TestOrigins(t *testing.T) {
	src := &fakePair{order: func(context.Context, string) error { return nil }}
	addr := start(t, src, func(c *Config) { c.AllowedOrigins = []string{"http://dash.example:3000"} })
	for origin, allowed := range map[string]bool{
		"":                               true,
		"http://dash.example:3000":       true,
		"HTTP://DASH.example:3000":       true,
		"http://" + addr:                 true,
		"http://dash.example":            false,
		"https://dash.example:3000":      false,
		"http://evil.example":            false,
		"http://localhost":               false,
		"null":                           false,
		"file://":                        false,
		"http://dash.example:3000.evil.": false,
	} {
		code, _, header := ask(t, http.MethodPost, "http://"+addr+"/", `{"jsonrpc":"2.0","id":1,"method":"syncd_resume"}`, func(r *http.Request) {
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
		})
		ws, res, err := websocket.DefaultDialer.Dial("ws://"+addr+"/", headerIf("Origin", origin))
		if allowed {
			require.Equal(t, http.StatusOK, code, origin)
			require.NoError(t, err, origin)
			require.NoError(t, ws.Close())
			continue
		}
		require.Equal(t, http.StatusForbidden, code, origin)
		require.Empty(t, header.Get("Access-Control-Allow-Origin"))
		require.Error(t, err, origin)
		require.Equal(t, http.StatusForbidden, res.StatusCode)
	}
	code, _, header := ask(t, http.MethodOptions, "http://"+addr+"/", "", func(r *http.Request) {
		r.Header.Set("Origin", "http://dash.example:3000")
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "content-type")
	})
	require.Equal(t, http.StatusNoContent, code)
	require.Equal(t, "http://dash.example:3000", header.Get("Access-Control-Allow-Origin"))
}

// A proxy may pass on a Host with the port that a browser leaves out of its Origin.
func TestAnOriginsDefaultPortDoesNotMatter(t *testing.T) {
	g, err := newGate("127.0.0.1", []string{"syncd.example", "Dot.example."}, []string{"https://dash.example:443", "http://old.example:80/"})
	require.NoError(t, err)
	for _, c := range []struct {
		host, origin string
		allowed      bool
	}{
		{"syncd.example:443", "https://syncd.example", true},
		{"syncd.example:80", "http://syncd.example", true},
		{"syncd.example", "https://syncd.example:443", true},
		{"SYNCD.example:443", "https://syncd.EXAMPLE", true},
		{"syncd.example:8650", "https://dash.example", true},
		{"syncd.example:8650", "http://old.example", true},
		{"syncd.example:443", "http://syncd.example", false},
		{"syncd.example:80", "https://syncd.example", false},
		{"syncd.example:8443", "https://syncd.example", false},
		{"syncd.example", "http://dash.example", false},
		{"syncd.example:443", "https://evil.example", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://"+c.host+"/livez", nil)
		r.Header.Set("Origin", c.origin)
		require.Equal(t, c.allowed, g.originAllowed(r, false), "%+v", c)
		require.True(t, g.hostAllowed(c.host))
	}
	require.True(t, g.hostAllowed("dot.example:1"))
	require.True(t, g.hostAllowed("dot.example."))
}

func headerIf(name, value string) http.Header {
	if value == "" {
		return nil
	}
	return http.Header{name: {value}}
}

func TestWebSocketRefusesAnotherHost(t *testing.T) {
	addr := start(t, &fakePair{}, nil)
	_, res, err := websocket.DefaultDialer.Dial("ws://"+addr+"/", http.Header{"Host": {"evil.example"}})
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}

func TestBodyLimit(t *testing.T) {
	addr := start(t, &fakePair{}, nil)
	big := `{"jsonrpc":"2.0","id":1,"method":"syncd_pause","params":["` + strings.Repeat("x", maxBody) + `"]}`
	code, _, _ := ask(t, http.MethodPost, "http://"+addr+"/", big, nil)
	require.Equal(t, http.StatusRequestEntityTooLarge, code)

	code, body, _ := ask(t, http.MethodPost, "http://"+addr+"/", big, func(r *http.Request) {
		r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(big)) // chunked: the length is not told
	})
	require.Equal(t, http.StatusRequestEntityTooLarge, code)
	require.Contains(t, body, `"code":-32015`)

	ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/", nil)
	require.NoError(t, err)
	defer ws.Close()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(big)))
	for err == nil { // an error answer may come first
		_, _, err = ws.ReadMessage()
	}
	require.Error(t, err, "closed by the server")
}

func TestConnectionLimit(t *testing.T) {
	addr := start(t, &fakePair{}, nil)
	var sockets []*websocket.Conn
	for range maxWebSockets {
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/", nil)
		require.NoError(t, err)
		sockets = append(sockets, ws)
	}
	_, res, err := websocket.DefaultDialer.Dial("ws://"+addr+"/", nil)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	code, _, _ := ask(t, http.MethodGet, "http://"+addr+"/livez", "", nil)
	require.Equal(t, http.StatusOK, code, "sockets leave room for the probes")
	http.DefaultClient.CloseIdleConnections()

	var idle []net.Conn
	for range maxConnections {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		idle = append(idle, conn)
	}
	require.NoError(t, idle[maxConnections-1].SetDeadline(time.Now().Add(5*time.Second)))
	_, err = idle[maxConnections-1].Read(make([]byte, 1))
	require.ErrorContains(t, err, "EOF", "the one too many is closed at once")
	for _, conn := range idle {
		require.NoError(t, conn.Close())
	}
	for _, ws := range sockets {
		require.NoError(t, ws.Close())
	}
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		line, err := bufio.NewReader(conn).ReadString('\n')
		return err == nil && strings.Contains(line, "200")
	}, 5*time.Second, 20*time.Millisecond, "slots come back")
}

func TestStopEndsOpenSockets(t *testing.T) {
	log, logged := test.NewNullLogger()
	s, err := New(Config{Listen: "127.0.0.1:0", Log: log}, &fakePair{})
	require.NoError(t, err)
	require.NoError(t, s.Listen())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+s.Addr()+"/", nil)
	require.NoError(t, err)
	defer ws.Close()
	code, _, _ := ask(t, http.MethodGet, "http://"+s.Addr()+"/metrics", "", nil)
	require.Equal(t, http.StatusNotFound, code, "no gatherer, no metrics")
	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-done)
	_, _, err = ws.ReadMessage()
	require.Error(t, err)
	for _, e := range logged.AllEntries() {
		require.NotContains(t, e.Message, "cut off", "no request was running")
	}
}

// idleListener accepts nothing until it is closed.
type idleListener struct{ closed chan struct{} }

func (l idleListener) Accept() (net.Conn, error) { <-l.closed; return nil, net.ErrClosed }
func (l idleListener) Close() error              { close(l.closed); return nil }
func (l idleListener) Addr() net.Addr            { return &net.TCPAddr{} }

// What a subscription holds of the pair is given back before Run returns.
func TestStopWaitsForSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Listen: "127.0.0.1:0", Log: quietLog()}, &fakePair{})
		require.NoError(t, err)
		s.listener = idleListener{make(chan struct{})}
		release := make(chan struct{})
		s.subs.running.Go(func() { <-release })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		require.Empty(t, done, "one has not ended")
		close(release)
		require.NoError(t, <-done)
	})
}

func TestBadConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		`"8650" is not host:port`:                         func(c *Config) { c.Listen = "8650" },
		`--api.allowed-hosts has "http://x": want`:        func(c *Config) { c.AllowedHosts = []string{"http://x"} },
		`--api.allowed-origins has "dash.example": want`:  func(c *Config) { c.AllowedOrigins = []string{"dash.example"} },
		`--api.allowed-origins has "http://x/path": want`: func(c *Config) { c.AllowedOrigins = []string{"http://x/path"} },
		`--api.allowed-hosts has "*.example": want`:       func(c *Config) { c.AllowedHosts = []string{"*.example"} },
		`--api.allowed-origins has "https://*.x": want`:   func(c *Config) { c.AllowedOrigins = []string{"https://*.x"} },
		`--api.allowed-origins has "http://***@x": want`:  func(c *Config) { c.AllowedOrigins = []string{"http://me:pw@x"} },
		"api needs a source and a log":                    func(c *Config) { c.Log = nil },
	} {
		cfg := Config{Listen: "127.0.0.1:0", Log: quietLog()}
		change(&cfg)
		_, err := New(cfg, &fakePair{})
		require.ErrorContains(t, err, name)
	}
}

func TestBusyAddress(t *testing.T) {
	addr := start(t, &fakePair{}, nil)
	s, err := New(Config{Listen: addr, Log: quietLog()}, &fakePair{})
	require.NoError(t, err)
	err = s.Run(t.Context())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, addr)
}

// A snapshot is fresh for thirty seconds, the thirtieth included.
func TestHowOldASnapshotMayBe(t *testing.T) {
	s := &status.Snapshot{At: since, Stage: string(fsm.Working), Verdict: status.VerdictWorking}
	for age, ready := range map[time.Duration]bool{0: true, maxAge: true, maxAge + time.Millisecond: false} {
		require.Equal(t, ready, readyOf(s, conditions(s, since.Add(age))).Ready, age)
	}
}
