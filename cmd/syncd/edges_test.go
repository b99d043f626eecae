package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// edgeWait is how long a process may take for a thing that it does at once.
const edgeWait = 20 * time.Second

// process starts syncd as a process whose end is passed on.
func process(t *testing.T, stdout, stderr *os.File, env []string, args ...string) (*exec.Cmd, <-chan error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), beMain+"=1"), env...)
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if stderr != nil {
		cmd.Stderr = stderr
	}
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	waited := make(chan struct{})
	go func() { ended <- cmd.Wait(); close(waited) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-waited
	})
	return cmd, ended
}

// runArgs are those of a run beside nodes that are not there.
func runArgs(t *testing.T, listen string, more ...string) []string {
	return append([]string{"run", "--data-dir", t.TempDir(), "--api.listen", listen, "--poll-interval", "100ms", "--call-timeout", "500ms",
		"--gwat.endpoint", "ws://127.0.0.1:1", "--beacon.endpoint", "http://127.0.0.1:1"}, more...)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// snapshotOf asks for what an API tells; ok is false if it does not answer.
func snapshotOf(address string) (s struct {
	Seq            uint64
	Stage, Verdict string
}, ok bool) {
	resp, err := http.Post("http://"+address, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`))
	if err != nil {
		return s, false
	}
	defer resp.Body.Close()
	answer := struct{ Result any }{&s}
	return s, json.NewDecoder(resp.Body).Decode(&answer) == nil && s.Seq > 0
}

// requireEnds: one SIGTERM ends it well.
func requireEnds(t *testing.T, cmd *exec.Cmd, ended <-chan error) {
	t.Helper()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-ended:
		require.NoError(t, err, "exit code 0")
	case <-time.After(edgeWait):
		require.Fail(t, "SIGTERM does not end it")
	}
}

// requireLives: the loop turns, now and again.
func requireLives(t *testing.T, address string, ended <-chan error) {
	t.Helper()
	for range 2 {
		var first uint64
		require.Eventually(t, func() bool {
			s, ok := snapshotOf(address)
			if first == 0 {
				first = s.Seq
			}
			return ok && s.Seq > first+2
		}, edgeWait, 20*time.Millisecond, "the loop does not turn")
	}
	select {
	case err := <-ended:
		require.Fail(t, "syncd ended", "%v", err)
	default:
	}
}

// Public report 1 (fails on 677a403 by SIGPIPE): the log's reader goes away. A
// socket as journald's, a pipe, a disk that is full, and no stderr at all.
func TestTheLogsReaderGoesAway(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	pipe := func(t *testing.T) (*os.File, func()) {
		read, write, err := os.Pipe()
		require.NoError(t, err)
		return write, func() { require.NoError(t, read.Close()) }
	}
	socket := func(t *testing.T) (*os.File, func()) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		return os.NewFile(uintptr(fds[0]), "log"), func() { require.NoError(t, unix.Close(fds[1])) }
	}
	full := func(t *testing.T) (*os.File, func()) {
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		return f, func() {}
	}
	for name, open := range map[string]func(*testing.T) (*os.File, func()){"pipe": pipe, "socket": socket, "full disk": full} {
		t.Run(name, func(t *testing.T) {
			log, goAway := open(t)
			address := freeAddress(t)
			cmd, ended := process(t, log, log, nil, runArgs(t, address)...)
			require.NoError(t, log.Close())
			require.Eventually(t, func() bool { _, ok := snapshotOf(address); return ok }, edgeWait, 20*time.Millisecond)
			goAway()
			requireLives(t, address, ended)
			requireEnds(t, cmd, ended)
		})
	}
	t.Run("closed", func(t *testing.T) {
		address := freeAddress(t)
		args := append([]string{"-c", `exec "$0" "$@" >&- 2>&-`, os.Args[0]}, runArgs(t, address)...)
		cmd := exec.Command("sh", args...)
		cmd.Env = append(os.Environ(), beMain+"=1")
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		requireLives(t, address, ended)
		requireEnds(t, cmd, ended)
	})
}

// fill writes into a file until it takes no more.
func fill(t *testing.T, f *os.File) {
	t.Helper()
	fd := int(f.Fd())
	require.NoError(t, unix.SetNonblock(fd, true))
	for chunk := make([]byte, 4096); len(chunk) > 0; {
		switch _, err := unix.Write(fd, chunk); {
		case errors.Is(err, unix.EAGAIN):
			chunk = chunk[:len(chunk)/2]
		default:
			require.NoError(t, err)
		}
	}
	require.NoError(t, unix.SetNonblock(fd, false)) // the file is the same one for syncd
}

// Public report 2 (on 677a403 the loop hangs and SIGTERM does not end it): stderr
// is full when a stage changes. The change is told, the watchdog is fed, the
// counter says what was lost, and one SIGTERM ends it.
func TestALogThatNobodyReadsStopsNothing(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	socket, said := notifySocket(t)
	fed := func() int { return strings.Count(said(), "WATCHDOG=1\n") }
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(read.Close(), write.Close())) })
	nodes, err := simnet.Start(t.Context(), simnet.Options{World: world.Config{
		GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8,
	}, Beacon: beaconsim.Config{Driver: beaconsim.DriverOff}})
	require.NoError(t, err)
	address := freeAddress(t)
	cmd, ended := process(t, write, write, []string{"NOTIFY_SOCKET=" + socket, fmt.Sprintf("WATCHDOG_USEC=%d", patience.Microseconds())},
		runArgs(t, address, "--gwat.endpoint", nodes.GwatWS, "--beacon.endpoint", nodes.BeaconURL, "--push-timeout", "30s", "--log.level", "debug")...)
	stage := func(want string) func() bool {
		return func() bool { s, ok := snapshotOf(address); return ok && s.Stage == want }
	}
	require.Eventually(t, stage("working"), edgeWait, 20*time.Millisecond)
	fill(t, write)
	require.NoError(t, nodes.Close()) // a stage to tell of
	require.Eventually(t, stage("connecting"), edgeWait, 20*time.Millisecond, "the loop hangs")
	was := fed()
	requireLives(t, address, ended)
	require.Eventually(t, func() bool { return fed() > was+1 }, edgeWait, 20*time.Millisecond, "the watchdog is fed")
	requireEnds(t, cmd, ended)
}

// The same at the end: what is left of a forced stop, and of an error's one line,
// does not hang on a stderr that is full.
func TestAFullStderrDoesNotKeepAnEndingProcess(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(read.Close(), write.Close())) })
	fill(t, write)
	_, ended := process(t, write, write, nil, "run", "--no-such-flag")
	select {
	case err := <-ended:
		var failed *exec.ExitError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, exit.Usage, failed.ExitCode())
	case <-time.After(edgeWait):
		require.Fail(t, "it hangs in telling its error")
	}
}

// A command whose reader has seen enough (`status --watch | head`) ends, and by
// itself: it is not killed by SIGPIPE, whatever its parent makes of that signal.
func TestAReaderOfStdoutGoesAway(t *testing.T) {
	address := freeAddress(t)
	server, served := process(t, nil, nil, nil, runArgs(t, address)...)
	defer http.DefaultClient.CloseIdleConnections()
	require.Eventually(t, func() bool { _, ok := snapshotOf(address); return ok }, edgeWait, 20*time.Millisecond)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	_, ended := process(t, write, nil, nil, "status", "--watch", "--api", "http://"+address)
	require.NoError(t, write.Close())
	_, err = read.Read(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, read.Close())
	requireEnds(t, server, served) // something to tell
	select {
	case err := <-ended:
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			require.True(t, failed.Exited(), "by itself: %v", err)
		}
	case <-time.After(edgeWait):
		require.Fail(t, "it goes on for nobody")
	}
}

// A command that ends by itself goes on to its end, and its exit code says what it found,
// when the reader of its first lines goes away. A disk without room is an error.
func TestCheckIsReadInPart(t *testing.T) {
	nodes, err := simnet.Start(t.Context(), simnet.Options{World: world.Config{
		GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8,
	}, Beacon: beaconsim.Config{Driver: beaconsim.DriverOff, AnswerCost: 20 * time.Millisecond}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, nodes.Close()) })
	both := []string{"--gwat.endpoint", nodes.GwatWS, "--beacon.endpoint", nodes.BeaconURL}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, full.Close()) })
	code := func(stdout *os.File, stderr *os.File, args []string) <-chan int {
		_, ended := process(t, stdout, stderr, nil, args...)
		out := make(chan int, 1)
		go func() {
			err := <-ended
			var failed *exec.ExitError
			switch {
			case errors.As(err, &failed):
				out <- failed.ExitCode()
			case err == nil:
				out <- exit.OK
			}
		}()
		return out
	}
	for _, args := range [][]string{append([]string{"check", "--data-dir", t.TempDir()}, both...), append([]string{"conformance"}, both...)} {
		want := <-code(nil, nil, args)
		read, write, err := os.Pipe()
		require.NoError(t, err)
		ended := code(write, nil, args)
		require.NoError(t, write.Close())
		_, err = read.Read(make([]byte, 1))
		require.NoError(t, err)
		require.NoError(t, read.Close())
		require.Equal(t, want, <-ended, args[0])
		require.Equal(t, exit.Internal, <-code(full, nil, args), args[0])
	}
}

// A command that waits for the reader of its stdout still obeys SIGTERM.
func TestAStdoutThatNobodyReadsIsLeftAtTheEnd(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(read.Close(), write.Close())) })
	fill(t, write)
	cmd, ended := process(t, write, nil, nil, "graph")
	select {
	case err := <-ended:
		require.Fail(t, "it ended without its reader", "%v", err)
	case <-time.After(500 * time.Millisecond):
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-ended:
	case <-time.After(edgeWait):
		require.Fail(t, "SIGTERM does not end it")
	}
}

// A service manager that does not read its socket does not keep syncd from ending.
func TestANotifySocketThatNobodyReads(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	path := t.TempDir() + "/notify"
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	full, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer full.Close()
	for err == nil {
		require.NoError(t, full.SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
		_, err = full.Write([]byte("STATUS=full"))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	address := freeAddress(t)
	cmd, ended := process(t, nil, nil, nil, runArgs(t, address)...)
	requireLives(t, address, ended)
	requireEnds(t, cmd, ended)
}
