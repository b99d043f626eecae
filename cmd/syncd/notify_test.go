package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// notifySocket is what a service manager listens on.
func notifySocket(t *testing.T) (path string, said func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // short: the path of a socket has at most 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	path = filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	all := &buffer{}
	go func() {
		datagram := make([]byte, 4096)
		for {
			n, err := conn.Read(datagram)
			if err != nil {
				return
			}
			_, _ = all.Write(append(datagram[:n:n], '\n'))
		}
	}()
	return path, all.String
}

// supervised starts syncd as systemd starts a unit of Type=notify.
func supervised(t *testing.T, socket string, stderr *os.File, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"run", "--data-dir", t.TempDir(), "--api.listen", "127.0.0.1:0",
		"--poll-interval", "100ms", "--call-timeout", "500ms"}, args...)...)
	cmd.Env = append(os.Environ(), beMain+"=1", "NOTIFY_SOCKET="+socket, fmt.Sprintf("WATCHDOG_USEC=%d", patience.Microseconds()))
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

const (
	notifiedWithin = 20 * time.Second
	patience       = 400 * time.Millisecond // of the service manager
)

// The service manager hears of the start, the stage, the living loop and the stop.
func TestTheServiceManagerIsTold(t *testing.T) {
	socket, said := notifySocket(t)
	cmd := supervised(t, socket, nil, "--gwat.endpoint", "ws://127.0.0.1:1", "--beacon.endpoint", "http://127.0.0.1:1")
	require.Eventually(t, func() bool { return strings.Count(said(), "WATCHDOG=1\n") >= 3 }, notifiedWithin, 10*time.Millisecond)
	require.True(t, strings.HasPrefix(said(), "READY=1\n"), said())
	require.Equal(t, 1, strings.Count(said(), "READY=1"))
	require.Contains(t, said(), "STATUS=stage connecting")
	require.NotContains(t, said(), "STOPPING=1")

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
	require.Eventually(t, func() bool { return strings.HasSuffix(said(), "STOPPING=1\n") }, notifiedWithin, 10*time.Millisecond, said())
}
