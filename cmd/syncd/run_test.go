package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

var apiLine = regexp.MustCompile(`\bapi"?[:=]"(http://[^"]+)"`)

// startRun starts `syncd run` on endpoints and gives the URL of its API.
func startRun(t *testing.T, gwat, beacon string, more ...string) (url string, stderr *buffer, stop func() int) {
	t.Helper()
	_, stderr, stop = background(t, append([]string{
		"run", "--gwat.endpoint", gwat, "--beacon.endpoint", beacon, "--data-dir", t.TempDir(),
		"--api.listen", "127.0.0.1:0", "--log.format", "json", "--push-timeout", "30s", "--call-timeout", "500ms", "--poll-interval", "100ms",
	}, more...)...)
	require.Eventually(t, func() bool { return apiLine.MatchString(stderr.String()) }, 10*time.Second, 10*time.Millisecond)
	return apiLine.FindStringSubmatch(stderr.String())[1], stderr, stop
}

func TestRunWaitsForNodesThatAreDown(t *testing.T) {
	url, stderr, stop := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1")

	out := syncd(t, nil, "status", "--api", url)
	require.Contains(t, []int{exit.NotWorking, exit.Failing, exit.Unknown}, out.code, out.stderr)
	require.Equal(t, 1, strings.Count(out.stdout, "\n"), "one line")
	require.Contains(t, out.stdout, " stage=connecting ")

	require.Eventually(t, func() bool {
		table := syncd(t, nil, "status", "--api", url, "--output", "table").stdout
		return strings.Contains(table, "http://127.0.0.1:1, no usable answer: ")
	}, 10*time.Second, 50*time.Millisecond)

	out = syncd(t, nil, "status", "--api", url, "--output", "json")
	var snap status.Snapshot
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &snap))
	require.Equal(t, "main", snap.Pair)
	require.Equal(t, exit.OfVerdict(terminal.Verdict(&snap)), out.code, "the code is that of the verdict")

	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/metrics": 200} {
		res, err := http.Get(url + path)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode, path)
	}
	for _, name := range []string{"gwat", "beacon"} {
		require.Eventually(t, func() bool {
			return strings.Count(stderr.String(), "start it or correct --"+name+".endpoint") == 1
		}, 10*time.Second, 10*time.Millisecond)
	}
	require.Equal(t, exit.OK, stop())
	for line := range strings.Lines(stderr.String()) {
		require.True(t, json.Valid([]byte(line)), line)
	}
	require.Contains(t, stderr.String(), "syncd has stopped")
}

func TestRunOnAWrongNetworkHaltsAndSaysSo(t *testing.T) {
	network := func(chainID uint64) *simnet.Pair {
		p, err := simnet.Start(t.Context(), simnet.Options{World: world.Config{
			ChainID: chainID, GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8,
		}, Beacon: beaconsim.Config{Driver: beaconsim.DriverOff}})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		return p
	}
	url, _, stop := startRun(t, network(1337).GwatWS, network(337733).BeaconURL)
	var out outcome
	require.Eventually(t, func() bool {
		out = syncd(t, nil, "status", "--api", url)
		return out.code == exit.Halted
	}, 10*time.Second, 50*time.Millisecond, out.stdout)
	require.Contains(t, out.stdout, "1337")
	require.Contains(t, out.stdout, "337733")
	require.Equal(t, exit.OK, stop())
}

func TestRunTellsOfAJournalMovedAside(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, "main.journal"))
	require.NoError(t, err)
	require.NoError(t, j.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.journal"), []byte("not a journal"), 0o600))
	_, stderr, stop := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1", "--data-dir", dir)
	require.Equal(t, exit.OK, stop())
	require.Contains(t, stderr.String(), "main.journal.corrupt-1")
}

func TestStatusWithoutSyncd(t *testing.T) {
	out := syncd(t, nil, "status", "--api", "http://127.0.0.1:1")
	require.Equal(t, exit.Unreachable, out.code)
	oneLine(t, out.stderr, "http://127.0.0.1:1", "is it running")

	f := startNodes(t) // something else listens there
	out = syncd(t, nil, "status", "--api", f.gwat)
	require.Equal(t, exit.Unreachable, out.code)
	oneLine(t, out.stderr, f.gwat)
}

func TestStatusWatch(t *testing.T) {
	url, _, stopRun := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1")
	stdout, stderr, stop := background(t, "status", "--api", url, "--watch", "--output", "json")
	require.Eventually(t, func() bool { return strings.Count(stdout.String(), "\n") >= 2 }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, exit.OK, stopRun())
	require.Eventually(t, func() bool { return strings.Contains(stderr.String(), "is it running") }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, exit.OK, stop())
}

func TestVerdictCodes(t *testing.T) {
	codes := map[string]int{
		status.VerdictWorking: exit.OK, status.VerdictSyncing: exit.NotWorking, status.VerdictFailing: exit.Failing,
		status.VerdictPaused: exit.Paused, status.VerdictHalted: exit.Halted, status.VerdictUnknown: exit.Unknown, "else": exit.Unknown,
	}
	for verdict, code := range codes {
		require.Equal(t, code, exit.OfVerdict(verdict), verdict)
	}
	// A daemon that tells no verdict is judged by the stage.
	for stage, code := range map[fsm.Stage]int{fsm.Working: exit.OK, fsm.Halted: exit.Halted, fsm.Paused: exit.Paused, fsm.DAGSync: exit.NotWorking} {
		require.Equal(t, code, exit.OfVerdict(terminal.Verdict(&status.Snapshot{Stage: string(stage)})), stage)
	}
}
