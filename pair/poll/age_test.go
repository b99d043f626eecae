package poll

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/protocol"
)

// stoppedGwat is stopped in a call and says resync from the moment at which it goes on.
type stoppedGwat struct {
	GwatNode
	stopped string // the call
	lasts   time.Duration
	asked   int
	resync  bool
}

func (g *stoppedGwat) answer(call string) {
	if call == g.stopped {
		time.Sleep(g.lasts)
		g.resync = true
	}
}

func (g *stoppedGwat) State(context.Context) (protocol.State, error) {
	g.asked++
	if g.resync {
		return protocol.State{Syncing: true, Activity: protocol.Behind}, nil
	}
	return protocol.State{}, nil
}

func (g *stoppedGwat) Latest(context.Context) (*gwatclient.Block, error) {
	g.answer("latest")
	return &gwatclient.Block{}, nil
}

func (g *stoppedGwat) BlocksByHash(_ context.Context, spines []common.Hash) ([]*gwatclient.Block, error) {
	g.answer("blocks")
	return make([]*gwatclient.Block, len(spines)), nil
}

func (g *stoppedGwat) Candidates(context.Context, primitives.Slot) ([]common.Hash, error) {
	g.answer("candidates")
	return nil, nil
}

func (g *stoppedGwat) BlocksByNumber(context.Context, uint64, uint64) ([]*gwatclient.Block, error) {
	return []*gwatclient.Block{nil}, nil
}
func (g *stoppedGwat) PeerCount(context.Context) (uint64, error)     { return 1, nil }
func (g *stoppedGwat) ClientVersion(context.Context) (string, error) { return "gwat", nil }

// stillBeacon answers at once.
type stillBeacon struct{ BeaconNode }

func (stillBeacon) Syncing(context.Context) (beaconclient.Syncing, error) {
	return beaconclient.Syncing{}, nil
}
func (stillBeacon) Spec(context.Context) (checkpoint.Spec, error) { return checkpoint.Spec{}, nil }
func (stillBeacon) Version(context.Context) (string, error)       { return "", nil }
func (stillBeacon) PeerID(context.Context) (string, error)        { return "", nil }
func (stillBeacon) PeerCount(context.Context) (uint64, error)     { return 1, nil }
func (stillBeacon) Header(context.Context, beaconclient.BlockID) (beaconclient.Header, error) {
	return beaconclient.Header{Root: common.Hash{1}}, nil
}
func (stillBeacon) Block(context.Context, beaconclient.BlockID) (beaconclient.Block, error) {
	return beaconclient.Block{Finalization: []common.Hash{{2}}}, nil
}
func (stillBeacon) Finality(context.Context, beaconclient.StateID) (beaconclient.Finality, error) {
	return beaconclient.Finality{}, nil
}

// What gwat said before it was stopped in a later call of the poll is no evidence of now.
func TestAPollOverAStopShowsGwatAsItIsAfterwards(t *testing.T) {
	for _, call := range []string{"latest", "blocks", "candidates"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := New(&stoppedGwat{stopped: call, lasts: 3 * time.Second}, stillBeacon{}, time.Now)
				obs := p.Poll(t.Context(), Question{Calls: true, Within: 5 * time.Second})
				require.True(t, obs.Answered(), "%v %v", obs.Gwat.Err, obs.Beacon.Err)
				require.Equal(t, protocol.Behind, obs.Gwat.Sync.Activity)
			})
		})
	}
}

// A poll of the usual length asks once, and a question that is never answered fails it.
func TestGwatIsAskedAgainOnlyAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gwat := &stoppedGwat{stopped: "candidates", lasts: MaxAge}
		obs := New(gwat, stillBeacon{}, time.Now).Poll(t.Context(), Question{Calls: true, Within: 5 * time.Second})
		require.True(t, obs.Answered())
		require.Equal(t, 1, gwat.asked)
	})
	synctest.Test(t, func(t *testing.T) {
		gwat := &silentLater{stoppedGwat{stopped: "candidates", lasts: 2 * time.Second}}
		obs := New(gwat, stillBeacon{}, time.Now).Poll(t.Context(), Question{Calls: true, Within: 5 * time.Second})
		require.ErrorIs(t, obs.Gwat.Err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, obs.Took())
	})
}

// silentLater does not answer a second question.
type silentLater struct{ stoppedGwat }

func (g *silentLater) State(ctx context.Context) (protocol.State, error) {
	if g.asked > 0 {
		<-ctx.Done()
		return protocol.State{}, ctx.Err()
	}
	return g.stoppedGwat.State(ctx)
}

// slowGwat answers each question whether it syncs after a while, as of before it.
type slowGwat struct {
	stoppedGwat
	lasts []time.Duration // of the questions, in turn; 0 behind them
}

func (g *slowGwat) State(ctx context.Context) (protocol.State, error) {
	s, err := g.stoppedGwat.State(ctx)
	if g.asked <= len(g.lasts) {
		time.Sleep(g.lasts[g.asked-1])
	}
	return s, err
}

// An answer that took too long to read is asked for again until one is of now.
func TestAStopWhileGwatIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gwat := &slowGwat{lasts: []time.Duration{2 * time.Second, 2 * time.Second, MaxAge}}
		obs := New(gwat, stillBeacon{}, time.Now).Poll(t.Context(), Question{Within: time.Minute})
		require.True(t, obs.Up())
		require.Equal(t, 3, gwat.asked)
	})
}

// hungGwat answers nothing until it is freed, and says what it was asked then.
type hungGwat struct {
	stoppedGwat
	hangs atomic.Bool
}

func (g *hungGwat) State(ctx context.Context) (protocol.State, error) {
	for g.hangs.Load() {
		select {
		case <-ctx.Done():
			return protocol.State{}, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return g.stoppedGwat.State(ctx)
}

// While gwat hangs, what is known of the beacon node is of now: only the first poll takes the
// whole time. gwat's answer is taken when it comes.
func TestAHungNodeDoesNotTakeTheTimeOfTheOtherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gwat := &hungGwat{}
		gwat.hangs.Store(true)
		p := New(gwat, stillBeacon{}, time.Now)
		defer p.Wait()
		q := Question{Within: 5 * time.Second, Again: time.Second, Identity: true}
		start := time.Now()
		obs := p.Poll(t.Context(), q)
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Equal(t, start, obs.Beacon.At)
		for i := range 4 {
			begun := time.Now()
			obs = p.Poll(t.Context(), q)
			require.Equal(t, time.Second, time.Since(begun), i)
			require.Equal(t, begun, obs.Beacon.At, i)
			require.Equal(t, begun, obs.Start, i)
			require.Equal(t, health.Silent, GwatHealth(obs).Reach, i)
			require.Equal(t, uint64(1), *p.Extras().Beacon.Peers, i)
			require.Nil(t, p.Extras().Gwat.Peers, i)
		}
		gwat.hangs.Store(false)
		time.Sleep(10 * time.Millisecond)
		obs = p.Poll(t.Context(), Question{Within: q.Within, Again: q.Again})
		require.True(t, obs.Up(), "%v %v", obs.Gwat.Err, obs.Beacon.Err)
		require.Equal(t, start.Add(5*time.Second), obs.Start, "a part of it is of then")
		require.Equal(t, obs.Began, obs.Start)
		require.Equal(t, uint64(1), *p.Extras().Gwat.Peers)
		require.Equal(t, "gwat", p.Extras().Gwat.Version)
	})
}
