package poll

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/pair/reach"
	"github.com/gwatsync/syncd/protocol"
)

// lockedGwat holds its lock: dag_syncSlotInfo is answered never.
type lockedGwat struct{ GwatNode }

func (g lockedGwat) ChainID(context.Context) (uint64, error) { return 1, nil }
func (g lockedGwat) SyncSlotInfo(ctx context.Context, _ gwatclient.SlotInfo) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}
func (g lockedGwat) BlocksByHash(_ context.Context, spines []common.Hash) ([]*gwatclient.Block, error) {
	return make([]*gwatclient.Block, len(spines)), nil
}

// Behind gwat's lock dag_syncSlotInfo may hang: the rest of the poll counts.
func TestSlotInfoBehindTheLockDoesNotStallThePoll(t *testing.T) {
	for name, tc := range map[string]struct {
		stage      protocol.Activity
		identified bool
		took       time.Duration
		fails      bool
	}{
		"known":    {protocol.Prepared, true, 0, false},
		"unknown":  {protocol.Prepared, false, 2 * time.Second, false},
		"not held": {protocol.Behind, true, 4 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const within = 4 * time.Second
				o := &Poller{gwat: lockedGwat{}, spec: &checkpoint.Spec{SecondsPerSlot: 4}}
				obs := &Observation{Blocks: map[common.Hash]*gwatclient.Block{}}
				obs.Gwat.Sync.Activity, obs.Gwat.Latest = tc.stage, &gwatclient.Block{}
				ctx, cancel := context.WithTimeout(t.Context(), within)
				defer cancel()
				begin := time.Now()
				o.readAcross(ctx, Question{Within: within, Identity: true, Identified: tc.identified, Spines: []common.Hash{{1}}}, obs)
				require.Equal(t, tc.took, time.Since(begin))
				require.Nil(t, obs.Identity)
				if tc.fails {
					require.Equal(t, health.Silent, reach.Gwat(obs.Gwat.Err))
					return
				}
				require.NoError(t, obs.Gwat.Err)
				require.Contains(t, obs.Blocks, common.Hash{1}, "the rest of the poll was read")
			})
		})
	}
}
