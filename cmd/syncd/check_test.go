package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/journal"
)

// checkArgs has settings without a warning, but for the endpoint's scheme.
func checkArgs(t *testing.T, f *fakeNodes, more ...string) []string {
	return append([]string{
		"check", "--gwat.endpoint", f.gwat, "--beacon.endpoint", f.beacon, "--push-timeout", "30s",
		"--data-dir", filepath.Join(t.TempDir(), "data"), "--api.listen", "127.0.0.1:0",
	}, more...)
}

func TestCheckOfAGoodPair(t *testing.T) {
	f := startNodes(t)
	out := syncd(t, nil, checkArgs(t, f)...)
	require.Equal(t, exit.OK, out.code, out.stdout+out.stderr)
	require.Empty(t, out.stderr)
	for line := range strings.Lines(out.stdout) {
		require.True(t, strings.HasPrefix(line, "ok "), line)
	}
	require.Contains(t, out.stdout, "GWAT/v0.1")
	require.Contains(t, out.stdout, "Prysm/v0.1, network testnet")
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, method := range f.asked {
		require.NotContains(t, []string{"dag_headSyncReady", "dag_headSync", "dag_sync", "dag_finalize"}, method)
	}
}

func TestCheckFindings(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(f *fakeNodes)
		args  []string
		code  int
		parts []string
	}{
		"gwat down": {
			func(f *fakeNodes) { f.gwat = "http://127.0.0.1:1" }, nil, exit.Unreachable,
			[]string{"fail  gwat", "http://127.0.0.1:1", "start gwat or correct --gwat.endpoint", "warn  network"},
		},
		"beacon down": {
			func(f *fakeNodes) { f.beacon = "http://127.0.0.1:1" }, nil, exit.Unreachable,
			[]string{"fail  beacon", "http://127.0.0.1:1", "start the beacon node or correct --beacon.endpoint"},
		},
		"beacon is something else": {
			func(f *fakeNodes) { f.beacon = f.gwat }, nil, exit.Unreachable, []string{"fail  beacon", "correct --beacon.endpoint"},
		},
		"gwat is something else": {
			func(f *fakeNodes) { f.gwat = f.beacon }, nil, exit.Unreachable,
			[]string{"fail  gwat", "something else than gwat answers there: correct --gwat.endpoint"},
		},
		"gwat refuses": {
			func(f *fakeNodes) {
				refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					http.Error(w, "missing token", http.StatusUnauthorized)
				}))
				t.Cleanup(refusing.Close)
				f.gwat = refusing.URL
			}, nil, exit.Usage, []string{"fail  gwat", "missing token", "give --gwat.jwt-secret the secret"},
		},
		"no address of this machine": {
			func(*fakeNodes) {}, []string{"--api.listen", "192.0.2.1:8650", "--api.insecure"}, exit.NotYet,
			[]string{"fail  api", "192.0.2.1:8650", "address of this machine"},
		},
		"other chain id": {
			func(f *fakeNodes) { f.answers["eth_chainId"] = "0x539" }, nil, exit.Halted,
			[]string{"fail  network", "1337", "337733", "point both endpoints at nodes of one network"},
		},
		"other genesis time": {
			func(f *fakeNodes) { f.answers["dag_syncSlotInfo"] = false }, nil, exit.Halted,
			[]string{"fail  network", "1700000000", "point both endpoints at nodes of one network"},
		},
		"genesis ahead": {
			func(f *fakeNodes) {
				f.data["/eth/v1/beacon/genesis"] = map[string]string{"genesis_time": "2000000000"}
			}, nil, exit.OK, []string{"ok    beacon    the network has not begun: genesis at 2033-05-18T03:33:20Z, in "},
		},
		"rate limit of the beacon node": {
			func(f *fakeNodes) {
				limiting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", "30")
					http.Error(w, "slow down", http.StatusTooManyRequests)
				}))
				t.Cleanup(limiting.Close)
				f.beacon = limiting.URL
			}, nil, exit.Unreachable, []string{"fail  beacon", "(HTTP 429)", "slow down", "point syncd at the beacon node itself, or raise the limit"},
		},
		"dag API off": {
			func(f *fakeNodes) { delete(f.answers, "dag_validateSpines"); delete(f.answers, "dag_syncSlotInfo") }, nil, exit.Unreachable,
			[]string{"fail  gwat", "dag namespace", "--http.api"},
		},
		"HTTP with a long push": {
			func(*fakeNodes) {}, []string{"--push-timeout", "100s"}, exit.OK,
			[]string{"warn  settings", "30s", "ws:// URL"},
		},
		"socket in a directory that the unit makes": {
			func(*fakeNodes) {}, []string{"--api.socket", "/nowhere/syncd/syncd.sock"}, exit.OK,
			[]string{"warn  api       /nowhere/syncd is not there yet", "RuntimeDirectory=", "ok    beacon"},
		},
		"slow intervals": {
			func(*fakeNodes) {}, []string{"--poll-interval", "5s", "--ready-interval", "6s"}, exit.OK,
			[]string{"warn  pace", "--poll-interval is 5s", "--ready-interval is 6s", "make it 4s or less"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := startNodes(t)
			c.spoil(f)
			out := syncd(t, nil, checkArgs(t, f, c.args...)...)
			require.Equal(t, c.code, out.code, out.stdout+out.stderr)
			if c.code == exit.OK {
				require.Empty(t, out.stderr)
			} else {
				oneLine(t, out.stderr, "failed: ")
			}
			for _, p := range c.parts {
				require.Contains(t, out.stdout, p)
			}
		})
	}
}

func TestCheckBesideARunningSyncd(t *testing.T) {
	f := startNodes(t)
	args := checkArgs(t, f)
	dir := args[8]
	j, err := journal.Open(filepath.Join(dir, "main.journal"))
	require.NoError(t, err)
	defer j.Close()
	out := syncd(t, nil, args...)
	require.Equal(t, exit.OK, out.code, out.stdout)
	require.Contains(t, out.stdout, "warn  journal   a syncd is running with")
}

func TestCheckNamesAllThatFailed(t *testing.T) {
	f := startNodes(t)
	f.gwat, f.beacon = "http://127.0.0.1:1", "http://127.0.0.1:1"
	out := syncd(t, nil, checkArgs(t, f)...)
	require.Equal(t, exit.Unreachable, out.code, out.stdout)
	oneLine(t, out.stderr, "2 checks failed: gwat, beacon")
}

// What check asks about it neither makes nor moves.
func TestCheckLeavesNothingBehind(t *testing.T) {
	f := startNodes(t)
	home := t.TempDir()
	dir := filepath.Join(home, "a", "data")
	args := checkArgs(t, f, "--data-dir", dir)
	out := syncd(t, nil, args...)
	require.Equal(t, exit.OK, out.code, out.stdout)
	require.Contains(t, out.stdout, "is not there yet and can be made")
	require.NoDirExists(t, filepath.Join(home, "a"))

	require.NoError(t, os.MkdirAll(dir, 0o700))
	out = syncd(t, nil, args...)
	require.Equal(t, exit.OK, out.code, out.stdout)
	require.Contains(t, out.stdout, "main.journal can be written")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)

	path := filepath.Join(dir, "main.journal")
	require.NoError(t, os.WriteFile(path, []byte("no journal"), 0o600))
	out = syncd(t, nil, args...)
	require.Equal(t, exit.OK, out.code, out.stdout)
	require.Contains(t, out.stdout, "moves it aside")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "no journal", string(raw))

	out = syncd(t, nil, checkArgs(t, f, "--data-dir", path)...)
	require.Equal(t, exit.Usage, out.code, out.stdout)
	require.Contains(t, out.stdout, "fail  journal   --data-dir is ")
	oneLine(t, out.stderr, "1 check failed: journal")
}
