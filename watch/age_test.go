package watch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/protocol"
)

// stoppedGwat is stopped in a late call of the poll, and syncs when it goes on.
type stoppedGwat struct {
	fakeGwat
	lasts time.Duration
	asked int
}

func (g *stoppedGwat) State(ctx context.Context) (protocol.State, error) {
	g.asked++
	return g.fakeGwat.State(ctx)
}

func (g *stoppedGwat) BlockByHash(ctx context.Context, hash common.Hash) (*gwatclient.Block, error) {
	time.Sleep(g.lasts)
	g.set(func(f *fakePair) { f.syncing = true })
	return g.fakeGwat.BlockByHash(ctx, hash)
}

// What gwat said before it was stopped in a later call of the poll is no evidence of now.
func TestAPollOverAStopShowsGwatAsItIsAfterwards(t *testing.T) {
	for lasts, asked := range map[time.Duration]int{3 * time.Second: 2, maxAge: 1} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakePair()
			gwat := &stoppedGwat{fakeGwat: fakeGwat{f}, lasts: lasts}
			p := poller{gwat: gwat, beacon: fakeBeacon{f}, now: time.Now, timeout: 5 * time.Second}
			o := p.poll(t.Context())
			require.True(t, o.Up())
			require.Equal(t, asked, gwat.asked)
			require.Equal(t, asked == 2, o.Gwat.Syncing)
		})
	}
}

// slowGwat answers each question whether it syncs after a while, as of before it.
type slowGwat struct {
	fakeGwat
	lasts []time.Duration // of the questions, in turn; 0 behind them
	asked int
}

func (g *slowGwat) State(ctx context.Context) (protocol.State, error) {
	s, err := g.fakeGwat.State(ctx)
	g.asked++
	if g.asked <= len(g.lasts) {
		time.Sleep(g.lasts[g.asked-1])
	}
	return s, err
}

// An answer that took too long to read is asked for again until one is of now.
func TestAStopWhileGwatIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakePair()
		gwat := &slowGwat{fakeGwat: fakeGwat{f}, lasts: []time.Duration{2 * time.Second, 2 * time.Second}}
		p := poller{gwat: gwat, beacon: fakeBeacon{f}, now: time.Now, timeout: time.Minute}
		require.True(t, p.poll(t.Context()).Up())
		require.Equal(t, 3, gwat.asked)
	})
}

// A syncd that was stopped says nothing of its own until it has looked at the nodes again:
// the snapshot keeps the time from before the stop.
func TestNothingOldIsPublishedAfterAStop(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 12*time.Second, "working", inStage(fsm.Working))
		hangs := make(chan struct{})
		f.set(func(f *fakePair) { f.hangs = hangs }) // no poll ends: as good as a stop
		limit := w.cfg.CallTimeout + 2*w.cfg.PollInterval
		time.Sleep(3 * limit)
		synctest.Wait()
		stopped := w.Snapshot()
		require.Equal(t, string(fsm.Working), stopped.Stage)
		require.Less(t, stopped.At, time.Now().Add(-limit), "of now, without a look at the nodes")
		f.set(func(f *fakePair) { f.hangs = nil })
		close(hangs)
		synctest.Wait()
		require.Equal(t, time.Now(), w.Snapshot().At)
	})
}

// A poll that ended before a stop of syncd is not taken in after it.
func TestAPollFromBeforeAStopIsDropped(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 12*time.Second, "working", inStage(fsm.Working))
		first, second := make(chan struct{}), make(chan struct{})
		f.set(func(f *fakePair) { f.hangs = first })
		time.Sleep(2 * w.cfg.PollInterval)
		require.NoError(t, w.orders.Give(t.Context(), func(context.Context) error { // nothing else turns the loop meanwhile
			f.set(func(f *fakePair) { f.hangs = nil })
			close(first)
			time.Sleep(5 * time.Second)
			f.set(func(f *fakePair) { f.hangs = second })
			return nil
		}))
		synctest.Wait()
		require.Equal(t, string(fsm.Working), w.Snapshot().Stage)
		require.Less(t, w.Snapshot().At, time.Now(), "of now, without a look at the nodes")
		f.set(func(f *fakePair) { f.hangs, f.syncing = nil, true })
		close(second)
		synctest.Wait()
		require.NotEqual(t, string(fsm.Working), w.Snapshot().Stage)
	})
}
