package daemon

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

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
	stderr := &bytes.Buffer{}
	log := logrus.New()
	log.SetOutput(stderr)
	n := &notifier{send: func(string) error { return errors.New("no socket") }, log: log, snapshot: func() *status.Snapshot { return &status.Snapshot{Seq: 1} }}
	n.compare(time.Now())
	n.compare(time.Now())
	require.Equal(t, 1, strings.Count(stderr.String(), "no socket"), stderr.String())
}
