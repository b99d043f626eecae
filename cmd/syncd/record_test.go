package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"

	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/support/recording"
)

// simulated starts a pair at work, whose gwat says version.
func simulated(t *testing.T, version string) *simnet.Pair {
	t.Helper()
	p, err := simnet.Start(t.Context(), simnet.Options{
		World: world.Config{GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8},
		Gwat:  gwatsim.Config{Version: version},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// changing are the calls that change a gwat.
var changing = []string{"dag_headSyncReady", "dag_headSync", "dag_sync", "dag_finalize"}

// onlyReads requires that none but the beacon node has changed gwat.
func onlyReads(t *testing.T, p *simnet.Pair) {
	t.Helper()
	seen := 0
	for _, c := range p.Gwat.Calls() {
		if c.Peer.Transport == "ws" { // the beacon node calls over HTTP
			seen++
			require.NotContains(t, changing, c.Method)
		}
	}
	require.NotZero(t, seen)
}

func unpacked(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	zip, err := gzip.NewReader(file)
	require.NoError(t, err)
	data, err := io.ReadAll(zip)
	require.NoError(t, err)
	return string(data)
}

func TestRecordBesideARunningSyncdAndReplay(t *testing.T) {
	p := simulated(t, "Geth/v0.6 at 203.0.113.77")
	secret := writeFile(t, "jwt.hex", strings.Repeat("5a", 32))
	// A user and a password in the endpoints, as behind a proxy.
	gwat := strings.Replace(p.GwatWS, "ws://", "ws://alice:hunter2@", 1)
	api, _, _ := startRun(t, gwat, p.BeaconURL, "--gwat.jwt-secret", secret)
	require.Eventually(t, func() bool { return syncd(t, nil, "status", "--api", api).code == exit.OK }, 30*time.Second, 100*time.Millisecond)
	path := filepath.Join(t.TempDir(), "pair.bundle")
	args := []string{"record", "--out", path, "--for", "2s", "--api", api, "--gwat.endpoint", gwat, "--beacon.endpoint", p.BeaconURL,
		"--gwat.jwt-secret", secret, "--poll-interval", "100ms", "--call-timeout", "500ms"}
	out := syncd(t, nil, args...)
	require.Equal(t, exit.OK, out.code, out.stderr)
	require.Contains(t, out.stdout, "ended because its time is over")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	text := unpacked(t, path)
	for _, gone := range []string{"hunter2", "alice", "203.0.113.77", strings.Repeat("5a", 32)} {
		require.NotContains(t, text, gone)
	}
	for _, there := range []string{`"node":"gwat"`, `"node":"beacon"`, `"look":`, `"snapshot":`, `"change":`, `"source":"daemon"`, `"config":[`, "eth_syncing", "/eth/v1/node/syncing", `"end":`} {
		require.Contains(t, text, there)
	}

	shown := syncd(t, nil, "replay", path)
	require.Equal(t, exit.OK, shown.code, shown.stdout+shown.stderr)
	require.Contains(t, shown.stdout, "working")
	require.Regexp(t, `[1-9]\d* calls \(\d+ failed\), [1-9]\d* polls, [1-9]\d* snapshots; the last verdict is \w+; 0 of [1-9]\d* verdicts differ`, shown.stdout)
	require.Contains(t, syncd(t, nil, "replay", "--calls", path).stdout, "gwat eth_syncing")

	out = syncd(t, nil, args...)
	require.Equal(t, exit.Usage, out.code, "an old recording is not written over")
	oneLine(t, out.stderr, path, "not there yet")
}

func TestRecordWithoutASyncd(t *testing.T) {
	p := simulated(t, "Geth")
	path := filepath.Join(t.TempDir(), "pair.bundle")
	out := syncd(t, nil, "record", "--out", path, "--for", "6s", "--api", "http://127.0.0.1:1",
		"--gwat.endpoint", p.GwatWS, "--beacon.endpoint", p.BeaconURL, "--poll-interval", "100ms")
	require.Equal(t, exit.OK, out.code, out.stderr)
	require.Contains(t, unpacked(t, path), `"source":"recorder"`)
	onlyReads(t, p)
	shown := syncd(t, nil, "replay", path)
	require.Equal(t, exit.OK, shown.code, shown.stdout)
	require.Contains(t, shown.stdout, "checkpoint_sync: ")
}

func TestRecordOfNodesThatAreDown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.bundle")
	out := syncd(t, nil, "record", "--out", path, "--for", "1s", "--api", "http://127.0.0.1:1",
		"--gwat.endpoint", "ws://127.0.0.1:1", "--beacon.endpoint", "http://127.0.0.1:1", "--poll-interval", "100ms")
	require.Equal(t, exit.OK, out.code, out.stderr)
	shown := syncd(t, nil, "replay", path)
	require.Equal(t, exit.OK, shown.code, shown.stdout)
	require.Contains(t, shown.stdout, "gwat_unreachable")
	require.Contains(t, shown.stdout, "the last verdict is failing")
}

func TestRecordEndsAtItsSize(t *testing.T) {
	p := simulated(t, "Geth")
	// A node that says much: the recording reaches its limit before its time.
	target, err := url.Parse(p.BeaconURL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(resp *http.Response) error {
		body, err := io.ReadAll(resp.Body)
		if rest, ok := strings.CutPrefix(string(body), "{"); ok && len(body) < 2<<10 {
			body = []byte(`{"more":"` + strings.Repeat("x", 40<<10) + `",` + rest)
		}
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return err
	}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	padded := httptest.NewServer(proxy)
	defer padded.Close()
	path := filepath.Join(t.TempDir(), "pair.bundle")
	out := syncd(t, nil, "record", "--out", path, "--for", "2m", "--max-size", "1", "--api", "http://127.0.0.1:1",
		"--gwat.endpoint", p.GwatWS, "--beacon.endpoint", padded.URL, "--poll-interval", "50ms")
	require.Equal(t, exit.OK, out.code, out.stderr)
	require.Contains(t, out.stdout, "size limit of 1048576 bytes; give more by --max-size")
	require.Equal(t, exit.OK, syncd(t, nil, "replay", path).code)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// TestReplayNamesADifference: a recording in which other verdicts stand.
func TestReplayNamesADifference(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.bundle")
	out := syncd(t, nil, "record", "--out", path, "--for", "1s", "--api", "http://127.0.0.1:1",
		"--gwat.endpoint", "ws://127.0.0.1:1", "--beacon.endpoint", "http://127.0.0.1:1", "--poll-interval", "100ms")
	require.Equal(t, exit.OK, out.code, out.stderr)
	text := unpacked(t, path)
	changed := filepath.Join(t.TempDir(), "changed.bundle")
	file, err := os.Create(changed)
	require.NoError(t, err)
	zip := gzip.NewWriter(file)
	_, err = io.WriteString(zip, strings.ReplaceAll(text, `"gwat_unreachable"`, `"gwat_bored"`))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	require.NoError(t, file.Close())
	shown := syncd(t, nil, "replay", changed)
	require.Equal(t, exit.Different, shown.code, shown.stdout)
	require.Contains(t, shown.stdout, "DIFFERENT: this syncd says failing (")
	require.Contains(t, shown.stdout, "gwat_bored")
}

func TestReplayOfBadFiles(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.bundle")
	require.Equal(t, exit.OK, syncd(t, nil, "record", "--out", good, "--for", "1s", "--api", "http://127.0.0.1:1",
		"--gwat.endpoint", "ws://127.0.0.1:1", "--beacon.endpoint", "http://127.0.0.1:1", "--poll-interval", "100ms").code)
	whole, err := os.ReadFile(good)
	require.NoError(t, err)
	cut := writeFile(t, "cut.bundle", string(whole[:len(whole)-20]))
	for path, parts := range map[string][]string{
		cut:                                   {"ends in the middle", "record it again"},
		writeFile(t, "text", "no bundle"):     {"no bundle of syncd record", "name a file that syncd record wrote"},
		filepath.Join(t.TempDir(), "missing"): {"missing", "name a file that syncd record wrote"},
	} {
		out := syncd(t, nil, "replay", path)
		require.Equal(t, exit.Usage, out.code)
		oneLine(t, out.stderr, append(parts, path)...)
	}
	require.Contains(t, syncd(t, nil, "replay", cut).stdout, "connecting", "what is whole is shown")
	for args, part := range map[string]string{
		"replay": "one file", "replay a b": "one file", "replay --speed -1 a": "--speed is -1", "replay --speed NaN a": "--speed is NaN",
		"record": "--out is empty", "record --out x --for 1ms": "--for is 1ms", "record --out x --max-size 0": "--max-size is 0",
		"record --out /nowhere/x": "--out: open /nowhere/x", "record --out x --api y": "--api",
	} {
		out := syncd(t, nil, splitArgs(args)...)
		require.Equal(t, exit.Usage, out.code, args)
		oneLine(t, out.stderr, part)
	}
	require.NoFileExists(t, "x")
}

// TestReplayOfAHostileBundle: its texts come from nodes, its times from anywhere.
func TestReplayOfAHostileBundle(t *testing.T) {
	header := recording.Header{Format: recording.Format, Version: recording.Version, Poll: time.Second, By: "\x1b]0;x\x07v", Made: time.Unix(1, 0)}
	first, err := json.Marshal(header)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "hostile.bundle")
	file, err := os.Create(path)
	require.NoError(t, err)
	zip := gzip.NewWriter(file)
	_, err = io.WriteString(zip, string(first)+`
{"at":"9999-01-01T00:00:00Z","call":{"node":"\u001b[2J","method":"\u009b31m","answer":"\u001b[2J","took":-1}}
{"at":"0001-01-01T00:00:00Z","look":{"verdict":"\u001b[2J","findings":["\u202e"],"input":{"Elapsed":-9223372036854775808,"Stage":"\u001b[2J","Gwat":{"Number":18446744073709551615,"CoordSlot":18446744073709551615,"Reach":99},"Beacon":{"Clock":18446744073709551615,"Known":true},"Events":18446744073709551615,"Refused":-5,"FailedFor":-9}}}
{"at":"2026-01-01T00:00:00Z","look":{"input":{"Elapsed":9223372036854775807,"Spec":{"SlotsPerEpoch":32,"SecondsPerSlot":4,"CreatorsPerSlot":4,"DepositChainID":1,"GenesisTime":1},"Gwat":{"Compared":true,"Reach":1,"Syncing":true},"Beacon":{"Known":true,"Reach":1,"Head":18446744073709551615}}}}
{"at":"2026-01-01T00:00:00Z","snapshot":{"stage":"\u001b[2Jx","findings":[{"name":"\u001b[2J"}],"gwat":{"progress":{"current":5,"target":1,"rate":-1e308}}}}
{"at":"2026-01-01T00:00:00Z","change":{"to":"a\nb"}}
{"at":"2026-01-01T00:00:00Z","trouble":"\u001b[2J"}
{"at":"2026-01-01T00:00:00Z","end":{"why":"\u001b[2J"}}
`)
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	require.NoError(t, file.Close())
	out := syncd(t, nil, "replay", "--calls", path)
	require.Equal(t, exit.Different, out.code, out.stderr)
	for _, bad := range []string{"\x1b", "\x07", "\u009b", "\u202e"} {
		require.NotContains(t, out.stdout, bad)
	}
	require.Contains(t, out.stdout, "2 of 2 verdicts differ")
}

// TestReplayOnATerminal shows the picture and stays until the end.
func TestReplayOnATerminal(t *testing.T) {
	p := simulated(t, "Geth")
	path := filepath.Join(t.TempDir(), "pair.bundle")
	require.Equal(t, exit.OK, syncd(t, nil, "record", "--out", path, "--for", "3s", "--api", "http://127.0.0.1:1",
		"--gwat.endpoint", p.GwatWS, "--beacon.endpoint", p.BeaconURL, "--poll-interval", "100ms").code)
	run := onTerminal(t, 100, 30, nil, "replay", "--speed", "20", path)
	run.waitFor("(recorded, #")
	require.NoError(t, run.end())
	require.Contains(t, run.shown(), "verdict    ")
	require.Contains(t, run.shown(), "0 of ")
	require.NotContains(t, run.shown(), "STALE")
}
