package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// FuzzAPIRequest asks the whole handler with any method, path, header values and
// body, over TCP and on the local socket: it answers, within bounds, in JSON where
// JSON-RPC is spoken, and an order reaches the pair only from the local socket (no
// token of the fuzzer holds), for a host and an origin that are allowed.
func FuzzAPIRequest(f *testing.F) {
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`, `{"jsonrpc":"2.0","id":1,"method":"syncd_history","params":[5]}`,
		`{"jsonrpc":"2.0","id":1,"method":"syncd_history","params":[-1]}`, `{"jsonrpc":"2.0","id":1,"method":"syncd_history","params":[1e999]}`,
		`{"jsonrpc":"2.0","id":1,"method":"syncd_pause","params":["why"]}`, `{"jsonrpc":"2.0","id":1,"method":"syncd_resume"}`,
		`{"jsonrpc":"2.0","id":1,"method":"syncd_findings"}`, `{"jsonrpc":"2.0","id":1,"method":"syncd_progress"}`, `{"jsonrpc":"2.0","id":1,"method":"syncd_config"}`,
		`{"jsonrpc":"2.0","id":1,"method":"syncd_resync","params":["why",true]}`, `{"jsonrpc":"2.0","id":1,"method":"syncd_subscribe","params":["stage"]}`,
		`[]`, `[[]]`, `{`, `null`, `[{"jsonrpc":"2.0","id":1,"method":"syncd_status"},{"jsonrpc":"2.0","id":null,"method":"rpc_modules"}]`, `{"jsonrpc":"2.0","method":"syncd_pause"}`,
	} {
		f.Add(false, http.MethodPost, "/", "127.0.0.1", "", "", "application/json", []byte(body))
		f.Add(true, http.MethodPost, "/", "127.0.0.1", "", "", "application/json", []byte(body))
	}
	order := []byte(`{"jsonrpc":"2.0","id":1,"method":"syncd_pause"}`)
	f.Add(false, http.MethodGet, "/readyz", "localhost:8650", "", "", "", []byte(nil))
	f.Add(false, http.MethodGet, "/metrics", "[::1]", "null", "", "", []byte(nil))
	f.Add(true, http.MethodPost, "/", "evil.example", "http://evil.example", "", "text/plain", order)
	f.Add(false, http.MethodPost, "/", "127.0.0.1", "", "Bearer eyJhbGciOiJub25lIn0.eyJpYXQiOjE3MDAwMDAwMDB9.", "application/json", order)
	f.Add(false, http.MethodPost, "/", "127.0.0.1", "", "Basic dTpw", "application/json", order)
	f.Add(true, http.MethodOptions, "//x/../", "127.0.0.1:0", "http://127.0.0.1:0", "", "application/json", []byte(nil))

	snapshot := &status.Snapshot{Stage: "working", At: time.Now()}
	ordered := false
	src := &fakePair{
		history: func(limit int) ([]status.Change, error) { return make([]status.Change, min(limit, 10)), nil },
		order:   func(context.Context, string) error { ordered = true; return nil },
	}
	src.snap.Store(snapshot)
	cfg := Config{Listen: "127.0.0.1:0", Gatherer: prometheus.NewRegistry(), Log: quietLog(), JWTSecret: bytes.Repeat([]byte{7}, 32)}
	server, err := New(cfg, src)
	require.NoError(f, err)
	f.Cleanup(server.reads.Stop)
	f.Cleanup(server.all.Stop)
	guard, err := cfg.gate()
	require.NoError(f, err)
	// How often somebody may ask is no matter here.
	handlers := map[bool]http.Handler{false: guard.wrap(server.routes(false), false), true: guard.wrap(server.routes(true), true)}
	f.Fuzz(func(t *testing.T, local bool, method, path, host, origin, authorization, contentType string, body []byte) {
		req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		req.Method, req.Host, req.RemoteAddr = method, host, ""
		req.URL = &url.URL{Path: path}
		req.Header.Set("Content-Type", contentType)
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		ordered = false
		res := httptest.NewRecorder()
		handlers[local].ServeHTTP(res, req)
		require.True(t, res.Code >= 200 && res.Code < 600, "status %d", res.Code)
		require.LessOrEqual(t, res.Body.Len(), maxBatchResponse+maxBody)
		if ordered {
			require.True(t, local)
			require.Equal(t, http.MethodPost, method)
			require.True(t, guard.originAllowed(req, true))
		}
		if res.Code == http.StatusOK && res.Header().Get("Content-Type") == "application/json" && res.Body.Len() > 0 {
			require.True(t, json.Valid(res.Body.Bytes()), "%s", res.Body)
		}
	})
}
