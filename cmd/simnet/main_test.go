package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
)

// asProgram makes the test binary be the program itself.
const asProgram = "SIMNET_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// invoke runs the program to its end within the test.
func invoke(t *testing.T, args ...string) (int, string, string) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append([]string{"simnet"}, args...), &stdout, &stderr)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return code, stdout.String(), stderr.String()
}

func write(t *testing.T, content string) string {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

func TestWrongUsageNamesTheFlagAndTheValue(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"gwat"}, "--genesis is missing"},
		{[]string{"gwat", "--genesis", "soon"}, `--genesis is "soon"`},
		{[]string{"beacon", "--genesis", "now-x"}, `--genesis is "now-x"`},
		{[]string{"beacon", "--genesis", "now-999999h"}, "before 1970"},
		{[]string{"beacon", "--genesis", "now", "--genesis-file", write(t, "x")}, "want Unix seconds, or remove it"},
		{[]string{"beacon", "--genesis", "now", "--reorg", "4"}, `--reorg is "4"`},
		{[]string{"beacon", "--genesis", "now", "--stall", "4:5"}, `--stall is "4:5"`},
		{[]string{"beacon", "--genesis", "now", "--miss-rate", "2"}, "miss rate is 2"},
		{[]string{"beacon", "--genesis", "now", "--miss-rate", "often"}, "often"},
		{[]string{"beacon", "--genesis", "now", "--driver=on"}, "no gwat endpoint"},
		{[]string{"beacon", "--genesis", "now", "--driver=maybe"}, `the driver is "maybe", want real, on or off`},
		{[]string{"beacon", "--genesis", "now", "--gwat", "ftp://a:1"}, `--gwat: gwat endpoint has the scheme "ftp"`},
		{[]string{"gwat", "--genesis", "now", "--seconds-per-slot", "0"}, "--seconds-per-slot is 0; want at least 1"},
		{[]string{"beacon", "--genesis", "now", "--slots-per-epoch", "0"}, "--slots-per-epoch is 0; want at least 1"},
		{[]string{"beacon", "--genesis", "1"}, "genesis time 1"},
		{[]string{"gwat", "--genesis", "now", "--lock", "-1s"}, "lock is -1s"},
		{[]string{"gwat", "--genesis", "now", "--jwt-secret", "nowhere"}, "nowhere"},
		{[]string{"beacon", "--genesis", "now", "--jwt-secret", write(t, "0x12")}, "want 32 bytes in hex"},
		{[]string{"beacon", "--recorded", "--recorded-head", "900"}, "head slot 900"},
		{[]string{"gwat", "--genesis", "now", "--call-log", "nowhere/calls"}, "--call-log"},
		{[]string{"gwat", "--nonsense"}, "nonsense"},
		{[]string{"gwat", "--genesis", "now", "--era", "third"}, `--era is "third"; want head-sync or coordinated`},
		{[]string{"beacon", "--era", "coordinated"}, "--genesis is missing"},
		{[]string{"gwat", "--era", "coordinated", "--genesis", "now", "--slots-per-epoch", "0"}, "--slots-per-epoch is 0"},
		{[]string{"gwat", "extra"}, `"extra"`},
		{[]string{"nodes"}, `no command "nodes"`},
		{[]string{"healthcheck"}, "--url is missing"},
		{[]string{"healthcheck", "--url", "http://\x00"}, "--url"},
	} {
		code, _, stderr := invoke(t, c.args...)
		require.Equal(t, exitUsage, code, "%v: %s", c.args, stderr)
		require.Contains(t, stderr, c.want, "%v", c.args)
		require.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	}
	code, stdout, _ := invoke(t)
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "healthcheck")
}

func TestFailures(t *testing.T) {
	for _, args := range [][]string{
		{"beacon", "--genesis", "now", "--listen", "nowhere:x"},
		{"gwat", "--genesis", "now", "--listen", "nowhere:x"},
		{"beacon", "--genesis", "now", "--genesis-file", filepath.Join(write(t, ""), "below")},
		{"beacon", "--genesis", "now", "--sync-speed", "1", "--data-dir", write(t, "")},
		{"healthcheck", "--url", "http://127.0.0.1:1"},
	} {
		code, _, stderr := invoke(t, args...)
		require.Equal(t, exitFailed, code, "%v: %s", args, stderr)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
}

func TestGenesisFileIsAgreedOnOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "net", "genesis")
	now := time.Unix(1_800_000_000, 0)
	first, err := genesisTime("now-2m", file, now)
	require.NoError(t, err)
	require.EqualValues(t, 1_800_000_000-120, first)
	second, err := genesisTime("now-2m", file, now.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, first, second)
	exact, err := genesisTime("77", file, now)
	require.NoError(t, err)
	require.EqualValues(t, 77, exact)
}

// process is the program as a process of its own.
type process struct {
	*exec.Cmd
	address string
	line    string
}

var serving = regexp.MustCompile(`serving (\S+),`)

func startProcess(t *testing.T, environ []string, args ...string) *process {
	p := &process{Cmd: exec.Command(os.Args[0], args...)}
	p.Env = append(append(os.Environ(), asProgram+"=1"), environ...)
	stdout, err := p.StdoutPipe()
	require.NoError(t, err)
	p.Stderr = os.Stderr
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	p.line, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	match := serving.FindStringSubmatch(p.line)
	require.NotNil(t, match, p.line)
	p.address = "http://" + match[1]
	return p
}

func TestBothNodesAsProcesses(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, strings.Repeat("ab", 32))
	shared := []string{
		"SIMNET_GENESIS=now-100s", "SIMNET_GENESIS_FILE=" + filepath.Join(dir, "genesis"),
		"SIMNET_SECONDS_PER_SLOT=1", "SIMNET_SLOTS_PER_EPOCH=8", "SIMNET_JWT_SECRET=" + secret,
		"SIMNET_REORG=40:3", "SIMNET_STALL=4-5", "SIMNET_LISTEN=127.0.0.1:0",
	}
	gwat := startProcess(t, shared, "gwat", "--data-dir", filepath.Join(dir, "gwat"), "--ipc", filepath.Join(dir, "gwat.ipc"), "--call-log", filepath.Join(dir, "calls"))
	beacon := startProcess(t, shared, "beacon", "--driver=off", "--gwat", gwat.address, "--data-dir", filepath.Join(dir, "beacon"))
	genesis := regexp.MustCompile(`genesis \d+`)
	require.Equal(t, genesis.FindString(gwat.line), genesis.FindString(beacon.line))
	require.Eventually(t, func() bool {
		log, err := os.ReadFile(filepath.Join(dir, "calls"))
		return err == nil && len(log) > 0
	}, 10*time.Second, 10*time.Millisecond, "the beacon node's first call")
	for _, p := range []*process{gwat, beacon} {
		code, _, stderr := invoke(t, "healthcheck", "--url", p.address)
		require.Equal(t, exitOK, code, stderr)
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.NoError(t, p.Wait(), "a graceful stop exits 0")
	}
	log, err := os.ReadFile(filepath.Join(dir, "calls"))
	require.NoError(t, err)
	first, _, whole := strings.Cut(string(log), "\n")
	require.True(t, whole)
	var call gwatsim.Call
	require.NoError(t, json.Unmarshal([]byte(first), &call))
	require.Equal(t, "eth_chainId", call.Method)
	require.EqualValues(t, 1, call.Seq)
	require.Equal(t, "http", call.Peer.Transport)
}

func TestHealthcheckOfABrokenServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer server.Close()
	code, _, stderr := invoke(t, "healthcheck", "--url", server.URL)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "502")
}

// Both nodes of the coordinated era as processes: the beacon node drives gwat over its IPC
// socket and over authrpc.
func TestCoordinatedNodesAsProcesses(t *testing.T) {
	for _, over := range []string{"ipc", "authrpc"} {
		t.Run(over, func(t *testing.T) {
			dir := t.TempDir()
			secret := write(t, strings.Repeat("ab", 32))
			shared := []string{
				"SIMNET_ERA=coordinated", "SIMNET_GENESIS=now-100s", "SIMNET_GENESIS_FILE=" + filepath.Join(dir, "genesis"),
				"SIMNET_SECONDS_PER_SLOT=1", "SIMNET_SLOTS_PER_EPOCH=8", "SIMNET_JWT_SECRET=" + secret, "SIMNET_LISTEN=127.0.0.1:0",
			}
			socket := filepath.Join(dir, "gwat.ipc")
			gwat := startProcess(t, shared, "gwat", "--ipc", socket)
			endpoint := gwat.address
			if over == "ipc" {
				endpoint = socket
			}
			beacon := startProcess(t, shared, "beacon", "--gwat", endpoint)
			client, err := gwatclient.New(gwatclient.Config{Endpoint: socket, Timeout: 5 * time.Second})
			require.NoError(t, err)
			defer client.Close()
			require.Eventually(t, func() bool {
				syncing, err := client.CoordinatedSyncing(t.Context())
				return err == nil && !syncing
			}, 60*time.Second, 50*time.Millisecond, "the beacon node drives gwat to its head")
			for _, p := range []*process{gwat, beacon} {
				code, _, stderr := invoke(t, "healthcheck", "--url", p.address)
				require.Equal(t, exitOK, code, stderr)
				require.NoError(t, p.Process.Signal(syscall.SIGTERM))
				require.NoError(t, p.Wait(), "a graceful stop exits 0")
			}
		})
	}
}
