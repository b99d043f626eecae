package watch

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/watch/heal"
)

// countingBeacon counts for which roots it was asked.
type countingBeacon struct {
	fakeBeacon
	asked map[common.Hash]int
}

func (b countingBeacon) Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	for _, root := range []common.Hash{{1}, {2}} {
		if id == beaconclient.AtRoot(root) {
			b.asked[root]++
		}
	}
	return b.fakeBeacon.Header(ctx, id)
}

// A checkpoint that the beacon node has stays known, one that it lacks may come.
func TestHowOftenACheckpointIsAskedFor(t *testing.T) {
	f := newFakePair()
	beacon := countingBeacon{fakeBeacon{f}, map[common.Hash]int{}}
	p := poller{gwat: fakeGwat{f}, beacon: beacon, now: time.Now, timeout: time.Minute}
	for _, foreign := range []bool{false, false, false, true, true, true, false} {
		f.set(func(f *fakePair) { f.foreign = foreign })
		o := p.poll(t.Context())
		require.NotNil(t, o.CheckpointKnown)
		require.Equal(t, !foreign, *o.CheckpointKnown)
	}
	require.Equal(t, map[common.Hash]int{{1}: 2, {2}: 3}, beacon.asked)
}

// What the nodes are is read in the first poll, in one of slowEvery, and once both answer again.
func TestHowOftenTheIdentityIsRead(t *testing.T) {
	f := newFakePair()
	p := poller{gwat: fakeGwat{f}, beacon: fakeBeacon{f}, now: time.Now, timeout: time.Minute}
	var read []int
	const away = slowEvery + 5
	for n := range 2 * slowEvery {
		f.set(func(f *fakePair) { f.gwatDown = n == away })
		o := p.poll(t.Context())
		require.Equal(t, n != away, o.Up())
		if o.Beacon.Version != "" {
			require.NotNil(t, o.Gwat.ChainID)
			read = append(read, n)
		} else {
			require.Nil(t, o.Gwat.ChainID)
		}
	}
	require.Equal(t, []int{0, slowEvery, away + 1}, read)
}

// A pair whose network is not known yet does not wait for its genesis.
func TestAnUnknownNetworkHasBegun(t *testing.T) {
	w, err := New(config(newFakePair()))
	require.NoError(t, err)
	require.Zero(t, w.now())
	require.Contains(t, w.waiting(fsm.HeadSync), "eth_syncing is not false")
}

// While a poll waits for a node that hangs, nothing is said of the other one, which has answered
// the poll before.
func TestAPollThatWaitsIsOfOneNodeOnly(t *testing.T) {
	for hung, gwat := range map[string]bool{"gwat_hung": true, "beacon_hung": false} {
		p := newStillPair(t, fsm.Working)
		var gwatErr, beaconErr error
		if gwat {
			gwatErr = context.DeadlineExceeded
		} else {
			beaconErr = context.DeadlineExceeded
		}
		p.polled(400, gwatErr, beaconErr)
		for range 10 {
			p.now = p.now.Add(p.cfg.PollInterval)
			p.waits()
		}
		var found []string
		for _, one := range p.health.Findings() {
			found = append(found, one.Name)
		}
		require.Equal(t, []string{hung}, found)
	}
}

// A pair that works, or is paused, is not tried again: only the other stages say when they are.
func TestWhichStagesHaveANextTry(t *testing.T) {
	for _, stage := range fsm.Stages() {
		p := newStillPair(t, stage)
		p.publish()
		rests := stage == fsm.Working || stage == fsm.Paused
		require.Equal(t, rests, p.Snapshot().NextTry == nil, stage)
	}
}

// The history says of a heal what it did, or why it failed.
func TestWhatTheHistorySaysOfAHeal(t *testing.T) {
	for want, err := range map[string]error{"heal drive: two calls": nil, "heal drive failed: gwat refuses": errors.New("gwat refuses")} {
		p := newStillPair(t, fsm.HeadSync)
		p.healed(healed{name: heal.Drive, what: "two calls", err: err})
		changes, failed := p.History(t.Context(), 1)
		require.NoError(t, failed)
		require.Len(t, changes, 1)
		require.Equal(t, want, changes[0].Reason)
		require.Equal(t, changes[0].From, changes[0].To)
	}
}
