package api

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

func TestBasePathIsChecked(t *testing.T) {
	for _, good := range []string{"", "/syncd", "/a/b-1", "/~x"} {
		require.NoError(t, checkBase(good), good)
	}
	for _, bad := range []string{"/", "syncd", "/syncd/", "//x", "/a//b", "/a/../b", "/a?b", "/a#b", "http://host/a", "/a b", "/{x}", "/%41"} {
		require.Error(t, checkBase(bad), bad)
	}
	_, err := New(Config{Listen: "127.0.0.1:0", BasePath: "x/", Log: quietLog()}, &fakePair{})
	require.ErrorContains(t, err, "want a path")
}

// Everything is below the base path, and still at the root: JSON-RPC, WebSocket, probes, page.
func TestServesBelowTheBasePath(t *testing.T) {
	src := &fakePair{}
	src.snap.Store(&status.Snapshot{Seq: 3, At: time.Now(), Stage: "working", Verdict: status.VerdictWorking})
	addr := start(t, src, func(c *Config) {
		c.BasePath = "/nodes/syncd"
		c.Page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) })
	})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(path string) (*http.Response, string) {
		res, err := client.Get("http://" + addr + path)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res, string(body)
	}
	for _, base := range []string{"", "/nodes/syncd"} {
		for path, want := range map[string]string{"/": "page /", "/assets/main.js": "page /assets/main.js", "/livez": "ok\n"} {
			_, body := get(base + path)
			require.Equal(t, want, body, base+path)
		}
		for _, scheme := range []string{"http://", "ws://"} {
			c, err := rpc.DialContext(t.Context(), scheme+addr+base+"/")
			require.NoError(t, err)
			var snap status.Snapshot
			require.NoError(t, c.CallContext(t.Context(), &snap, "syncd_status"))
			require.EqualValues(t, 3, snap.Seq)
			c.Close()
		}
	}
	res, _ := get("/nodes/syncd?x=1")
	require.Equal(t, http.StatusPermanentRedirect, res.StatusCode)
	require.Equal(t, "/nodes/syncd/?x=1", res.Header.Get("Location"))
	for _, path := range []string{"/nodes/syncdx", "/nodes", "/nodes/syncd/none"} {
		res, body := get(path)
		require.Equal(t, http.StatusNotFound, res.StatusCode, path)
		require.False(t, strings.HasPrefix(body, "page"), path)
	}
}
