package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/demo"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

// TestDemoGoesThroughEveryStage is the promise of the README.
func TestDemoGoesThroughEveryStage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some twelve seconds")
	}
	ctx, stdout, stderr := t.Context(), &buffer{}, &buffer{}
	started := time.Now()
	code := execute(ctx, testStdio(nil, stdout, stderr,
		"demo", "--until", "working", "--output", "json", "--timeout", "100s", "--api.listen", "127.0.0.1:0"))
	require.Equal(t, exit.OK, code, stdout.String()+stderr.String())
	require.Less(t, time.Since(started), time.Minute)

	var lines []demo.StageLine
	seen := map[string]bool{}
	for line := range strings.Lines(stdout.String()) {
		var l demo.StageLine
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		if len(lines) > 0 {
			require.Equal(t, lines[len(lines)-1].Stage, l.From, "each change starts where the one before ended")
			require.NotEmpty(t, l.Event)
		}
		require.False(t, l.At.IsZero())
		lines = append(lines, l)
		seen[l.Stage] = true
	}
	for _, stage := range []string{"connecting", "checkpoint_sync", "dag_sync", "head_sync_ready", "head_sync", "switching", "working"} {
		require.True(t, seen[stage], stage)
	}
	require.Equal(t, "working", lines[len(lines)-1].Stage)
	require.Contains(t, stderr.String(), "the API is at http://127.0.0.1:")
}

func TestDemoTimeout(t *testing.T) {
	out := syncd(t, nil, "demo", "--until", "working", "--timeout", "700ms", "--api.listen", "127.0.0.1:0")
	require.Equal(t, exit.Timeout, out.code)
	require.Contains(t, out.stderr, "--until working was not reached, --timeout 700ms is over: the pair is in ")
	require.Contains(t, out.stdout, "connecting")
}

func TestDemoStoppedBeforeItsStage(t *testing.T) {
	_, stderr, stop := background(t, "demo", "--until", "paused", "--api.listen", "127.0.0.1:0")
	require.Eventually(t, func() bool { return strings.Contains(stderr.String(), "the API is at") }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, exit.Timeout, stop())
	require.Contains(t, stderr.String(), "--until paused was not reached, the demo was stopped")
}

func TestDemoOnABusyAddress(t *testing.T) {
	busy, err := net.Listen("tcp", defaultListen(t))
	if err == nil { // else somebody has it, which serves as well
		defer busy.Close()
	}
	out := syncd(t, nil, "demo", "--until", "connecting")
	require.Equal(t, exit.OK, out.code, out.stderr)
	require.Contains(t, out.stderr, defaultListen(t)+" is in use, so the API takes a free port")
	require.NotContains(t, out.stderr, "the API is at http://"+defaultListen(t))

	out = syncd(t, nil, "demo", "--until", "connecting", "--api.listen", defaultListen(t))
	require.Equal(t, exit.Busy, out.code, "an address that was asked for is kept")
	oneLine(t, out.stderr, defaultListen(t), "address already in use")
}

func TestDemoStaysUpAndCanBeAsked(t *testing.T) {
	_, stderr, stop := background(t, "demo", "--api.listen", "127.0.0.1:0")
	var url string
	require.Eventually(t, func() bool {
		_, after, ok := strings.Cut(stderr.String(), "--api ")
		url = strings.TrimSuffix(after, ")\n")
		return ok
	}, 10*time.Second, 10*time.Millisecond)
	require.Contains(t, []int{exit.NotWorking, exit.Unknown}, syncd(t, nil, "status", "--api", url).code)
	require.Equal(t, exit.OK, stop())
}

func TestDemoOnATerminal(t *testing.T) {
	stdout, stderr := &buffer{}, &buffer{}
	con := testStdio(nil, stdout, stderr, "demo", "--until", "checkpoint_sync", "--api.listen", "127.0.0.1:0")
	con.terminal = true
	require.Equal(t, exit.OK, execute(t.Context(), con), stderr.String())
	require.Contains(t, stdout.String(), "the API is at")
	require.Contains(t, stdout.String(), "connecting: ")
	require.Contains(t, stdout.String(), "checkpoint_sync: ")
	require.Contains(t, stdout.String(), "gwat")
	require.Empty(t, stderr.String())
}

func TestDemoUsage(t *testing.T) {
	for args, parts := range map[string][]string{
		"demo --until done":                 {`"done"`, "dag_sync"},
		"demo --timeout 0s":                 {"--timeout", "0s", "2m"},
		"demo --output yaml":                {`"yaml"`, "text or json"},
		"demo --api.listen nowhere":         {`"nowhere"`, "want host:port"},
		"demo --gwat.endpoint http://a:1":   {"gwat.endpoint", "syncd demo --help"},
		"demo --api.allowed-hosts=http://a": {`"http://a"`, "--api.allowed-hosts", "want a host name"},
	} {
		out := syncd(t, nil, splitArgs(args)...)
		require.Equal(t, exit.Usage, out.code, args+out.stderr)
		line := out.stderr[strings.LastIndex(strings.TrimSpace(out.stderr), "\n")+1:]
		oneLine(t, line, parts...)
	}
}

func defaultListen(t *testing.T) string {
	t.Helper()
	s, ok := settings.Lookup("api.listen")
	require.True(t, ok)
	return s.DefaultText()
}
