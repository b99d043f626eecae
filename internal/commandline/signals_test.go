package commandline

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A wrapper such as timeout signals its child and then the group that the child is in.
func TestTheSecondSignalForces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 8)
		var calls []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			obeySignals(signals, func() { calls = append(calls, "stop") }, func() { calls = append(calls, "force") })
		}()
		signals <- syscall.SIGTERM
		signals <- syscall.SIGTERM
		signals <- syscall.SIGINT
		time.Sleep(sameSignal - time.Millisecond)
		signals <- syscall.SIGTERM
		synctest.Wait()
		require.NotContains(t, calls, "force", "all of them are the same")
		require.Contains(t, calls, "stop")
		time.Sleep(time.Millisecond)
		signals <- syscall.SIGINT
		<-done
		require.Equal(t, "force", calls[len(calls)-1])
	})
}

// A terminal that closes sends SIGHUP, its shell once more, and the session's manager SIGTERM.
func TestAHangUpStopsAndForcesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 8)
		var stopped, forced int
		done := make(chan struct{})
		go func() {
			defer close(done)
			obeySignals(signals, func() { stopped++ }, func() { forced++ })
		}()
		signals <- syscall.SIGHUP
		synctest.Wait()
		require.Equal(t, 1, stopped)
		for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGHUP} {
			time.Sleep(sameSignal)
			signals <- s
		}
		synctest.Wait()
		require.Zero(t, forced)
		signals <- syscall.SIGINT
		<-done
		require.Equal(t, 1, forced)
	})
}
