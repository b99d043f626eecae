package watch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

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
