package headsync_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/protocol"
)

// interval is when a call ran.
type interval struct{ begin, end time.Time }

func (i interval) overlaps(other interval) bool {
	return i.begin.Before(other.end) && other.begin.Before(i.end)
}

// timedGwat is a gwat whose calls take their time. It knows which reads are of what was
// pushed before.
type timedGwat struct {
	headsync.Gwat
	headsync.Driver
	read, push time.Duration

	mu       sync.Mutex
	pushed   map[common.Hash]bool
	pushes   []interval
	ahead    []interval // reads of spines that are to be pushed
	back     []interval // reads of many spines that were pushed
	byNumber []interval
}

func (g *timedGwat) took(list *[]interval, begin time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*list = append(*list, interval{begin, time.Now()})
}

// BlocksByHash implements headsync.Gwat.
func (g *timedGwat) BlocksByHash(ctx context.Context, hashes []common.Hash) ([]*gwatclient.Block, error) {
	const many = 4 // more than an entry has
	begin := time.Now()
	g.mu.Lock()
	ours := len(hashes) > 0 && g.pushed[hashes[0]]
	g.mu.Unlock()
	time.Sleep(g.read)
	switch {
	case !ours:
		g.took(&g.ahead, begin)
	case len(hashes) > many:
		g.took(&g.back, begin)
	}
	return g.Gwat.BlocksByHash(ctx, hashes)
}

// BlocksByNumber implements headsync.Gwat.
func (g *timedGwat) BlocksByNumber(ctx context.Context, from, to uint64) ([]*gwatclient.Block, error) {
	begin := time.Now()
	time.Sleep(g.read)
	g.took(&g.byNumber, begin)
	return g.Gwat.BlocksByNumber(ctx, from, to)
}

// Push implements headsync.Driver.
func (g *timedGwat) Push(ctx context.Context, infos []checkpoint.ConsensusInfo) (*protocol.Mark, error) {
	begin := time.Now()
	time.Sleep(g.push)
	mark, err := g.Driver.Push(ctx, infos)
	g.took(&g.pushes, begin)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, info := range infos {
		for _, s := range info.Finalizing {
			g.pushed[s] = true
		}
	}
	return mark, err
}

func (r *rig) timed(a *headsync.Attempt, read, push time.Duration) *timedGwat {
	g := &timedGwat{Gwat: r.gwat, Driver: r.driver(), read: read, push: push, pushed: map[common.Hash]bool{}}
	a.Gwat, a.Driver = g, g
	return g
}

// What was pushed is read back while gwat works on the next push, not before it.
func TestPushIsReadBackWhileGwatWorksOnTheNext(t *testing.T) {
	onRig(t, func(t *testing.T) {
		stalled := func(c *world.Config) { c.StallJustification = []world.EpochRange{{From: 2, To: 1 << 20}} }
		r := newRig(t, stalled, gwatsim.Config{})
		a := r.attempt()
		a.Limits.Bytes = 6 << 10
		g := r.timed(a, 10*time.Millisecond, time.Second)
		result, err := r.run(a)
		require.NoError(t, err)
		require.Positive(t, result.Pushed)
		require.Greater(t, len(g.pushes), 2)
		beside := 0
		for _, read := range g.back {
			for i, push := range g.pushes {
				if i > 0 && read.overlaps(push) {
					beside++
				}
			}
		}
		require.GreaterOrEqual(t, beside, len(g.pushes)-2, "all but the last ones are read beside a push")
		for i := 1; i+1 < len(g.pushes); i++ {
			between := interval{g.pushes[i-1].end, g.pushes[i].begin}
			for _, read := range g.back {
				require.False(t, read.overlaps(between), "push %d waits while what was pushed is read back", i)
			}
		}
		r.requireCanonical(result.Head.Slot)
	})
}

// The witnesses below the checkpoint are read while the first batch is looked up.
func TestTailIsReadBesideTheFirstBatch(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		a := r.attempt()
		a.PushFromCheckpoint = true // nothing is known of its spines
		g := r.timed(a, time.Second, 0)
		_, err := r.run(a)
		require.NoError(t, err)
		require.NotEmpty(t, g.byNumber)
		require.GreaterOrEqual(t, len(g.ahead), 2, "to find the anchor, and of the batch")
		require.True(t, g.byNumber[0].overlaps(g.ahead[1]))
		require.False(t, g.byNumber[0].overlaps(g.ahead[0]))
	})
}
