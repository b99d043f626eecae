package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/status"
)

func TestCalls(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "g")
	url, _, stop := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1", "--gate.socket", socket)
	conn, err := net.Dial("unix", socket)
	require.NoError(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	call := func(method string) {
		fmt.Fprintf(conn, `{"jsonrpc":"2.0","id":1,"method":%q,"params":[{"slot":"7"}]}`+"\n", method)
		_, err := answers.ReadString('\n')
		require.NoError(t, err)
	}
	listed := func(args ...string) (out []status.Call) {
		got := syncd(t, nil, append([]string{"calls", "--api", url, "--output", "json"}, args...)...)
		require.Equal(t, exit.OK, got.code, got.stderr)
		for line := range strings.Lines(got.stdout) {
			var c status.Call
			require.NoError(t, json.Unmarshal([]byte(line), &c), line)
			out = append(out, c)
		}
		return out
	}
	require.Empty(t, listed())
	call("eth_chainId")
	call("dag_headSyncReady")
	require.Eventually(t, func() bool { return len(listed()) == 2 }, 10*time.Second, 20*time.Millisecond)
	all := listed()
	require.Equal(t, []string{"eth_chainId", "down", "vouch"}, []string{all[0].Method, all[0].Outcome, all[0].Action})
	require.Equal(t, []string{"dag_headSyncReady", "answered", "answer"}, []string{all[1].Method, all[1].Outcome, all[1].Action})
	for _, filter := range [][]string{
		{"--method", "eth_chainId"}, {"--outcome", "down", "--outcome", "error"}, {"--action", "vouch"},
		{"--since", "1h", "--method", "eth_chainId"},
		{"--since", all[0].At.Add(-time.Second).Format(time.RFC3339), "--action", "vouch"},
	} {
		require.Equal(t, all[:1], listed(filter...), filter)
	}
	require.Equal(t, all[1:], listed("--limit", "1"))
	require.Empty(t, listed("--min-duration", "1h"))
	require.Empty(t, listed("--since", all[1].At.Add(time.Hour).Format(time.RFC3339)))

	table := syncd(t, nil, "calls", "--api", url).stdout
	lines := strings.Split(strings.TrimSpace(table), "\n")
	require.Len(t, lines, 3, table)
	require.Equal(t, []string{"TIME", "METHOD", "SLOT", "DURATION", "OUTCOME"}, strings.Fields(lines[0]))
	require.Contains(t, lines[1], "eth_chainId")
	require.Contains(t, lines[1], "127.0.0.1:1", "what went wrong")

	followed, _, end := background(t, "calls", "--api", url, "--follow", "--output", "json", "--method", "net_version")
	call("eth_syncing")
	call("net_version")
	require.Eventually(t, func() bool { return strings.Count(followed.String(), "\n") == 1 }, 10*time.Second, 10*time.Millisecond)
	call("net_version")
	require.Eventually(t, func() bool { return strings.Count(followed.String(), "\n") == 2 }, 10*time.Second, 10*time.Millisecond)
	require.NotContains(t, followed.String(), "eth_syncing")
	require.Equal(t, exit.OK, end())

	for name, wrong := range map[string][]string{
		"since": {"--since", "yesterday"}, "limit": {"--limit", "0"}, "duration": {"--min-duration", "-1s"}, "form": {"--output", "line"},
	} {
		out := syncd(t, nil, append([]string{"calls", "--api", url}, wrong...)...)
		require.Equal(t, exit.Usage, out.code, name)
		oneLine(t, out.stderr, wrong[0])
	}
	require.Equal(t, exit.OK, stop())
	out := syncd(t, nil, "calls", "--api", url)
	require.Equal(t, exit.Unreachable, out.code)
}

func TestCallsWithoutAGate(t *testing.T) {
	url, _, stop := startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1")
	for _, args := range [][]string{{"calls", "--api", url}, {"calls", "--api", url, "--follow"}} {
		out := syncd(t, nil, args...)
		require.Equal(t, exit.Usage, out.code)
		oneLine(t, out.stderr, "has no gate", "gate.listen")
	}
	require.Equal(t, exit.OK, stop())
}
