package headsync_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
)

// swapped is a beacon node in whose place one of another network answers for a while:
// it has other validators, and the headers of the first one are asked of it in vain.
type swapped struct {
	*watched
	away  atomic.Bool
	asked atomic.Int64
	told  atomic.Int64 // validators of the other network that were answered
}

func (s *swapped) Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	if s.away.Load() && id != beaconclient.Head && s.asked.Add(1) > 1 { // the checkpoint's was answered in time
		time.Sleep(time.Second) // fake time: the reads beside it get their answer
		return beaconclient.Header{}, fmt.Errorf("%w: connection reset", beaconclient.ErrDown)
	}
	return s.watched.Header(ctx, id)
}

func (s *swapped) WithdrawalCredentials(ctx context.Context, state beaconclient.StateID, of []uint64) (map[uint64]common.Hash, error) {
	out, err := s.watched.WithdrawalCredentials(ctx, state, of)
	if err == nil && s.away.Load() {
		for v, c := range out {
			c[31] ^= 0xff
			out[v] = c
		}
		s.told.Add(1)
	}
	return out, err
}

// What another beacon node said of its validators while an attempt failed is not
// pushed by the next one (S2).
func TestCommitteesOfAnotherBeaconNodeAreForgotten(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{StartSlot: 60})
		a := r.attempt()
		s := &swapped{watched: r.watch(a)}
		a.Beacon = s
		a.Collector = headsync.NewCollector(s, r.spec)
		s.away.Store(true)
		_, err := r.run(a)
		require.ErrorIs(t, err, beaconclient.ErrDown)
		require.Positive(t, s.told.Load())
		s.away.Store(false)

		again := r.attempt()
		again.Beacon, again.Collector = s, a.Collector
		result, err := r.run(again)
		require.NoError(t, err)
		require.Positive(t, result.Pushed)
		fresh, err := headsync.NewCollector(s, r.spec).Collect(t.Context(), result.Head, result.Head.Slot-20, func(int, int) {})
		require.NoError(t, err)
		kept, err := again.Collector.Collect(t.Context(), result.Head, result.Head.Slot-20, func(int, int) {})
		require.NoError(t, err)
		require.Equal(t, headsync.Infos(fresh), headsync.Infos(kept))
	})
}
