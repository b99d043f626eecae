package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
)

func TestDoctorAsksTheRunningSyncd(t *testing.T) {
	url, _, _ := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1")
	var out outcome
	require.Eventually(t, func() bool {
		out = syncd(t, nil, "doctor", "--api", url)
		return out.code == exit.Failing
	}, 10*time.Second, 50*time.Millisecond, out.stdout+out.stderr)
	require.Contains(t, out.stdout, "The pair main is FAILING")
	require.Contains(t, out.stdout, "1. ")
	require.Contains(t, out.stdout, "1. nodes_unreachable (critical, pair, for ")
	require.Contains(t, out.stdout, "   It explains gwat_unreachable (critical, for ")
	require.Contains(t, out.stdout, "   It explains beacon_unreachable (critical, for ")
	require.Contains(t, out.stdout, "   Do: ")
	for line := range strings.Lines(out.stdout) {
		require.LessOrEqual(t, len([]rune(line)), 79, line)
	}
}

func TestDoctorLooksItself(t *testing.T) {
	f := startNodes(t)
	args := func(more ...string) []string {
		return append([]string{"doctor", "--api", "http://127.0.0.1:1"}, checkArgs(t, f, more...)[1:]...)
	}
	out := syncd(t, nil, args()...)
	require.Equal(t, exit.Unreachable, out.code, out.stdout+out.stderr)
	for _, part := range []string{"No verdict of a running syncd", "http://127.0.0.1:1", "ok    gwat", "ok    beacon", "ok    disk", "ok    network", "nobody drives the pair", "syncd run"} {
		require.Contains(t, out.stdout, part)
	}
	oneLine(t, out.stderr, "no syncd answers at http://127.0.0.1:1")
	f.answers["eth_chainId"] = "0x539"
	out = syncd(t, nil, args()...)
	require.Equal(t, exit.Halted, out.code, out.stdout)
	require.Contains(t, out.stdout, "fail  network")
	require.NotContains(t, out.stdout, "All that can be seen")
	oneLine(t, out.stderr, "1 check failed: network")

	out = syncd(t, nil, args("--gwat.jwt-secret", filepath.Join(t.TempDir(), "none"))...)
	require.Equal(t, exit.Usage, out.code)
	require.Contains(t, out.stderr, "--gwat.jwt-secret")
}

func TestDoctorOfAHostileAPI(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{"stage":"\u001b[2Jhalted","verdict":"halted","pair":"\u001b]0;x\u0007main",` +
			`"findings":[{"name":"\u202ewrong","remedy":"\u001b[31mdo\nnothing","evidence":["a\rb"]}]}}`))
	}))
	defer api.Close()
	for _, args := range [][]string{{"doctor"}, {"status"}, {"status", "--output", "table"}, {"status", "--output", "json"}} {
		out := syncd(t, nil, append(args, "--api", api.URL)...)
		require.Equal(t, exit.Halted, out.code, out.stderr)
		for _, bad := range []string{"\x1b", "\x07", "\u202e", "\r"} {
			require.NotContains(t, out.stdout, bad, args)
		}
	}
}
