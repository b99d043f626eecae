package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gated lets writes through only while it is open; shut, it fails with err or,
// without one, hangs.
type gated struct {
	mu    sync.Mutex
	open  chan struct{} // closed while it is open
	err   error
	taken bytes.Buffer
}

func (g *gated) Write(p []byte) (int, error) {
	g.mu.Lock()
	open, err := g.open, g.err
	g.mu.Unlock()
	if err != nil {
		return 0, err
	}
	<-open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken.Write(p)
}

func (g *gated) fails(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

func (g *gated) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken.String()
}

// Public report 2: a log that nobody reads holds nobody up; what did not fit is
// counted, and told in one line when there is room again.
func TestALogThatNobodyReadsHoldsNobodyUp(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		synctest.Test(t, func(t *testing.T) {
			out := &gated{open: make(chan struct{})}
			w := NewWriter(out)
			log, err := New(w, "info", format)
			require.NoError(t, err)
			const lines = 3 * maxLines
			begin := time.Now()
			for i := range lines {
				log.Infof("line %d.", i)
			}
			require.Zero(t, time.Since(begin), "nobody waited")
			lost := w.Lost()
			require.EqualValues(t, lines-maxLines, lost+1, "one is in the hands of the writer")
			registry := prometheus.NewRegistry()
			registry.MustRegister(Metric(log))
			metrics, err := registry.Gather()
			require.NoError(t, err)
			require.EqualValues(t, lost, metrics[0].Metric[0].Counter.GetValue())

			close(out.open)
			synctest.Wait()
			require.Equal(t, maxLines+1, strings.Count(out.String(), " line ")+strings.Count(out.String(), `"line `), "all that was kept")
			require.Equal(t, 1, strings.Count(out.String(), "Lines of the log were lost"), "told once")
			require.Contains(t, out.String(), fmt.Sprint(lost))
			log.Info("after it")
			synctest.Wait()
			require.Contains(t, out.String(), "after it")
			require.Equal(t, 1, strings.Count(out.String(), "Lines of the log were lost"))
			w.Close(time.Minute)
		})
	}
}

// Few but large lines are bounded too.
func TestTheQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &gated{open: make(chan struct{})}
		w := NewWriter(out)
		for range 100 {
			n, err := w.Write(bytes.Repeat([]byte("x"), maxBytes/10))
			require.NoError(t, err)
			require.Equal(t, maxBytes/10, n)
		}
		require.GreaterOrEqual(t, w.Lost(), uint64(89))
		close(out.open)
		w.Close(time.Minute)
		require.LessOrEqual(t, len(out.String()), maxBytes+maxBytes/10+100)
	})
}

// Public report 1: a log whose other end is gone, or whose disk is full, is no error.
func TestAnErrorOfTheReaderIsDropped(t *testing.T) {
	for _, err := range []error{syscall.EPIPE, syscall.ENOSPC, syscall.EIO, os.ErrClosed} {
		synctest.Test(t, func(t *testing.T) {
			open := make(chan struct{})
			close(open)
			out := &gated{open: open, err: err}
			w := NewWriter(out)
			for range 5 {
				_, err := io.WriteString(w, "lost\n")
				require.NoError(t, err)
			}
			synctest.Wait()
			require.EqualValues(t, 5, w.Lost())
			out.fails(nil)
			_, _ = io.WriteString(w, "kept\n")
			synctest.Wait()
			require.Equal(t, "kept\nsyncd: 5 lines lost here\n", out.String())
			w.Close(time.Minute)
		})
	}
}

// The end waits for what is queued, and no longer than it was told to.
func TestTheEndIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		out := &gated{open: open}
		w := NewWriter(out)
		_, _ = io.WriteString(w, "the last words\n")
		begin := time.Now()
		w.Close(time.Second)
		require.Equal(t, time.Second, time.Since(begin))
		_, _ = io.WriteString(w, "too late\n")
		close(open)
		w.Close(time.Second)
		require.Equal(t, "the last words\nsyncd: 1 line lost here\n", out.String())
	})
}

// A command's answer waits for its reader, but not beyond the command's end.
func TestAnOutputWaitsForItsReaderUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := &gated{open: make(chan struct{})}
		o := NewOutput(ctx, out, cancel)
		failed := make(chan error, 1)
		go func() {
			_, err := io.WriteString(o, "first\n")
			failed <- err
		}()
		time.Sleep(time.Hour)
		require.Empty(t, failed, "it waits")
		cancel()
		require.ErrorIs(t, <-failed, context.Canceled)
		_, err := io.WriteString(o, "second\n")
		require.ErrorIs(t, err, context.Canceled, "the file is still in use")
		close(out.open)
		synctest.Wait()
		_, err = io.WriteString(o, "third\n")
		require.NoError(t, err)
		require.Equal(t, "first\nthird\n", out.String())
	})
}

// A reader that goes away ends the command and is no error; others are.
func TestAnOutputsReaderGoesAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n, err := NewOutput(ctx, &gated{err: fmt.Errorf("write: %w", syscall.EPIPE)}, cancel).Write([]byte("abc"))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.ErrorIs(t, ctx.Err(), context.Canceled)

	full := errors.New("no space")
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	_, err = NewOutput(ctx, &gated{err: full}, cancel).Write([]byte("abc"))
	require.ErrorIs(t, err, full)
	require.NoError(t, ctx.Err())
}
