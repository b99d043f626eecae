package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
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

// Only a turn of the loop feeds the watchdog, and not every turn does.
func TestOnlyALivingLoopFeedsTheWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seq atomic.Uint64
		said := make(chan string, 100)
		n := &notifier{
			send: func(state string) error { said <- state; return nil },
			snapshot: func() *status.Snapshot {
				return &status.Snapshot{Seq: seq.Load(), Stage: "connecting", Waiting: "a\nb"}
			},
			watchdog: 40 * time.Second, log: logrus.New(),
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { n.run(ctx, time.Second); close(done) }()
		minute := func(alive bool) (heard []string) {
			for range 60 {
				time.Sleep(time.Second)
				if alive {
					seq.Add(1)
				}
			}
			synctest.Wait()
			for len(said) > 0 {
				heard = append(heard, <-said)
			}
			return heard
		}
		require.Empty(t, minute(false), "not ready before the loop's first turn")
		heard := minute(true)
		require.Equal(t, []string{"READY=1", "STATUS=stage connecting: waiting for a b", "WATCHDOG=1"}, heard[:3])
		require.Len(t, heard, 2+6, "fed every 10 s: %v", heard)
		heard = minute(false)
		require.LessOrEqual(t, len(heard), 1, "a loop that hangs is not fed for: %v", heard)
		cancel()
		<-done
		require.Equal(t, "STOPPING=1", <-said)
	})
}

func TestARefusedNotificationIsToldOnce(t *testing.T) {
	stderr := &buffer{}
	log := logrus.New()
	log.SetOutput(stderr)
	n := &notifier{send: func(string) error { return errors.New("no socket") }, log: log, snapshot: func() *status.Snapshot { return &status.Snapshot{Seq: 1} }}
	n.look(time.Now())
	n.look(time.Now())
	require.Equal(t, 1, strings.Count(stderr.String(), "no socket"), stderr)
}
