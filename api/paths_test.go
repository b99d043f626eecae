package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// Healthy means that the process lives and its loop turns, whatever the pair does.
func TestLivezIsOfTheLoop(t *testing.T) {
	src := &fakePair{}
	now := time.Unix(1_700_000_000, 0)
	base := "http://" + start(t, src, func(c *Config) { c.Now = func() time.Time { return now } })
	code, _, _ := ask(t, http.MethodGet, base+"/livez", "", nil)
	require.Equal(t, http.StatusOK, code, "nothing is known yet")
	for _, verdict := range []string{status.VerdictSyncing, status.VerdictFailing, status.VerdictHalted, status.VerdictPaused, status.VerdictWorking} {
		src.publish(&status.Snapshot{Seq: 1, At: now.Add(-maxAge), Verdict: verdict})
		code, body, _ := ask(t, http.MethodGet, base+"/livez", "", nil)
		require.Equal(t, http.StatusOK, code, verdict)
		require.Equal(t, "ok\n", body)
		src.publish(&status.Snapshot{Seq: 2, At: now.Add(-maxAge - time.Second), Verdict: verdict})
		code, body, _ = ask(t, http.MethodGet, base+"/livez", "", nil)
		require.Equal(t, http.StatusServiceUnavailable, code, verdict)
		require.Equal(t, "the loop hangs: its newest snapshot is 31s old\n", body)
	}
}

// GET /v1/status is syncd_status for a monitor: the same object, rules and limits.
func TestStatusPath(t *testing.T) {
	src := &fakePair{}
	base := "http://" + start(t, src, nil)
	code, body, header := ask(t, http.MethodGet, base+"/v1/status", "", nil)
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, errNothingKnown.msg)
	require.Equal(t, "application/json", header.Get("Content-Type"))

	slot := primitives.Slot(7)
	src.publish(&status.Snapshot{Seq: 3, At: time.Now(), Stage: "working", Gwat: status.Node{Slot: &slot}})
	code, body, header = ask(t, http.MethodGet, base+"/v1/status", "", nil)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	_, call, _ := ask(t, http.MethodPost, base+"/", `{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
	var answer struct{ Result json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(call), &answer))
	require.JSONEq(t, string(answer.Result), body)

	code, _, header = ask(t, http.MethodGet, base+"/v1/status", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer no") })
	require.Equal(t, http.StatusUnauthorized, code)
	require.Equal(t, "Bearer", header.Get("WWW-Authenticate"))
	code, _, _ = ask(t, http.MethodGet, base+"/v1/status", "", func(r *http.Request) { r.Host = "evil.example" })
	require.Equal(t, http.StatusForbidden, code)
	limited := false
	for range 2*callsBurst + callsPerSecond {
		code, _, _ = ask(t, http.MethodGet, base+"/v1/status", "", nil)
		limited = limited || code == http.StatusTooManyRequests
	}
	require.True(t, limited, "it is counted as the calls are")
}

// Profiles are off unless the setting says so, and then not for everybody.
func TestProfiles(t *testing.T) {
	off, err := New(Config{Listen: "127.0.0.1:0", Log: quietLog()}, &fakePair{})
	require.NoError(t, err)
	on, err := New(Config{Listen: "0.0.0.0:0", TLS: TLS{Insecure: true}, JWTSecret: secret, Profiles: true, Log: quietLog()}, &fakePair{})
	require.NoError(t, err)
	const index = "/debug/pprof/"
	for name, tc := range map[string]struct {
		handler http.Handler
		path    string
		remote  string
		token   string
		want    int
	}{
		"off":                        {off.public.Handler, index, "127.0.0.1:9", "", http.StatusNotFound},
		"from this machine":          {on.public.Handler, index, "127.0.0.1:9", "", http.StatusOK},
		"from this machine, IPv6":    {on.public.Handler, index, "[::1]:9", "", http.StatusOK},
		"from elsewhere":             {on.public.Handler, index, "192.0.2.9:9", "", http.StatusUnauthorized},
		"from elsewhere with token":  {on.public.Handler, index, "192.0.2.9:9", goodToken(t), http.StatusOK},
		"a token that does not hold": {on.public.Handler, index, "127.0.0.1:9", "no", http.StatusUnauthorized},
		"over the socket":            {on.local.Handler, index, "@", "", http.StatusOK},
		"a profile":                  {on.public.Handler, index + "goroutine?debug=1", "127.0.0.1:9", "", http.StatusOK},
		"the CPU":                    {on.public.Handler, index + "profile?seconds=1", "127.0.0.1:9", "", http.StatusOK},
		"symbols":                    {on.public.Handler, index + "symbol", "127.0.0.1:9", "", http.StatusOK},
		"a trace":                    {on.public.Handler, index + "trace?seconds=0.001", "127.0.0.1:9", "", http.StatusOK},
		"no command line":            {on.public.Handler, index + "cmdline", "127.0.0.1:9", "", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+tc.path, nil)
			left, leave := context.WithCancel(t.Context())
			leave() // a caller that has left gets no profile
			r = r.WithContext(left)
			r.RemoteAddr = tc.remote
			if tc.token != "" {
				r.Header.Set("Authorization", "Bearer "+tc.token)
			}
			w := httptest.NewRecorder()
			tc.handler.ServeHTTP(w, r)
			require.Equal(t, tc.want, w.Code, w.Body.String())
		})
	}
}
