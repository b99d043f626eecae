package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/status"
)

func TestOrders(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	secret := writeFile(t, "jwt", strings.Repeat("ab", 32))
	other := writeFile(t, "jwt", strings.Repeat("cd", 32))
	url, _, stop := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1", "--api.socket", socket, "--api.jwt-secret", secret, "--observe")
	stage := func() status.Snapshot {
		var snap status.Snapshot
		require.NoError(t, json.Unmarshal([]byte(syncd(t, nil, "status", "--api", url, "--output", "json").stdout), &snap))
		return snap
	}
	order := func(args ...string) outcome { return syncd(t, nil, args...) }

	out := order("pause", "--socket", socket, "--reason", "a new disk")
	require.Equal(t, exit.OK, out.code, out.stderr)
	require.Equal(t, "done\n", out.stdout)
	require.Equal(t, "paused", stage().Stage)
	require.Equal(t, "asked by the operator: a new disk", stage().Reason)

	out = order("resync", "--socket", socket)
	require.Equal(t, exit.Internal, out.code)
	oneLine(t, out.stderr, "paused", "resume it first")

	out = order("resume", "--api", url, "--jwt-secret", secret)
	require.Equal(t, exit.OK, out.code, out.stderr)
	require.Eventually(t, func() bool { return stage().Stage == "connecting" }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, exit.OK, order("resync", "--socket", socket, "--reason", "again").code)
	out = order("resync", "--socket", socket, "--full")
	require.Equal(t, exit.Internal, out.code)
	oneLine(t, out.stderr, "--observe")

	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"neither":       {[]string{"pause", "--api", url}, exit.Usage, "--socket or --jwt-secret is needed"},
		"both":          {[]string{"pause", "--socket", socket, "--jwt-secret", secret}, exit.Usage, "give one of them"},
		"no secret":     {[]string{"pause", "--jwt-secret", socket + "x"}, exit.Usage, "name the file"},
		"wrong secret":  {[]string{"pause", "--api", url, "--jwt-secret", other}, exit.Usage, "refuses the token"},
		"no URL":        {[]string{"pause", "--api", "here", "--jwt-secret", secret}, exit.Usage, "want a URL"},
		"no socket":     {[]string{"resume", "--socket", socket + "x"}, exit.Unreachable, "--api.socket"},
		"nobody there":  {[]string{"resume", "--api", "http://127.0.0.1:1", "--jwt-secret", secret}, exit.Unreachable, "is it running"},
		"too much said": {[]string{"pause", "--socket", socket, "--reason", strings.Repeat("x", 501)}, exit.Internal, "at most 500"},
	} {
		out := order(c.args...)
		require.Equal(t, c.code, out.code, name)
		oneLine(t, out.stderr, c.says)
	}
	require.Equal(t, exit.OK, stop())
	require.NoFileExists(t, socket)
}

func TestHeal(t *testing.T) {
	url, _, stop := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1")
	out := syncd(t, nil, "heal", "peers", "--dry-run", "--api", url)
	require.Equal(t, exit.OK, out.code, out.stderr)
	require.Contains(t, out.stdout, "proved  no: heals are for pairs of the coordinated era")
	out = syncd(t, nil, "heal", "--api", url)
	require.Equal(t, exit.OK, out.code, out.stderr)
	require.Contains(t, out.stdout, "restart-beacon  -  heals are for pairs")
	out = syncd(t, nil, "heal", "peers", "--api", url)
	require.Equal(t, exit.Usage, out.code, "an order needs a permission")
	oneLine(t, out.stderr, "--jwt-secret")
	out = syncd(t, nil, "heal", "peer", "--dry-run", "--api", url)
	require.Equal(t, exit.Usage, out.code)
	oneLine(t, out.stderr, "no heal is called", "peers")
	require.Equal(t, exit.OK, stop())
}
