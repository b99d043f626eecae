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
		require.Equal(t, []string{"stop"}, calls, "all of them are the same")
		time.Sleep(time.Millisecond)
		signals <- syscall.SIGINT
		<-done
		require.Equal(t, []string{"stop", "force"}, calls)
	})
}
