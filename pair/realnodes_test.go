package pair

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/pair/reach"
	"github.com/gwatsync/syncd/status"
)

// A node that was just started may lack one checkpoint's summary: the rest of the
// poll counts, and the pair works on.
func TestOneCheckpointsErrorIsNoLostPoll(t *testing.T) {
	inFakeTime(t, fakeConfig{}, func(f *fake) {
		f.reaches(fsm.Working)
		refused := 0
		f.bcnWire.Put(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/headers/0x") {
					refused++
					w.WriteHeader(http.StatusInternalServerError)
					_, _ = w.Write([]byte(`{"message":"Could not check if block is optimistic: nil summary returned from the DB","code":500}`))
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		for range 3 * 8 * 4 { // three epochs, so that checkpoints change
			time.Sleep(fakePoll)
			s := f.pair.Snapshot()
			require.Equal(t, string(fsm.Working), s.Stage)
			require.Empty(t, s.Findings)
		}
		require.Positive(t, refused)
	})
}

// While a rollback runs under gwat's lock its number is 0: that is not known, not lost.
func TestNumberUnderTheLockIsUnknown(t *testing.T) {
	zero, nine := uint64(0), uint64(9)
	for _, tc := range []struct {
		stage  gwatclient.Stage
		number *uint64
		want   *uint64
	}{
		{gwatclient.StageHead, &zero, nil}, {gwatclient.StageHead, &nine, &nine},
		{gwatclient.StageResync, &zero, &zero}, {"", nil, nil},
	} {
		o := &observation{at: time.Unix(1, 0)}
		o.gwat.sync.Stage, o.gwat.latest = tc.stage, &gwatclient.Block{Number: tc.number, Slot: 5}
		require.Equal(t, tc.want, o.number())
		in := gwatInput(o)
		require.Equal(t, tc.want, in.Number)
		kept := track{number: 219, numberFrom: time.Unix(0, 1), coord: 140, coordNumber: 219}
		kept.observe(o)
		if tc.want == nil {
			require.EqualValues(t, 219, kept.number)
			require.EqualValues(t, 140, kept.coord)
		} else {
			require.Equal(t, *tc.want, kept.number)
			require.Zero(t, kept.coord)
		}
	}
	require.Nil(t, (&observation{}).number())
}

// lockedGwat holds its lock: dag_syncSlotInfo is answered never.
type lockedGwat struct{ gwatNode }

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
		stage      gwatclient.Stage
		identified bool
		took       time.Duration
		fails      bool
	}{
		"known":    {gwatclient.StageHead, true, 0, false},
		"unknown":  {gwatclient.StageHead, false, 2 * time.Second, false},
		"not held": {gwatclient.StageResync, true, 4 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const within = 4 * time.Second
				o := &observer{gwat: lockedGwat{}, spec: &checkpoint.Spec{SecondsPerSlot: 4}}
				obs := &observation{blocks: map[common.Hash]*gwatclient.Block{}}
				obs.gwat.sync.Stage, obs.gwat.latest = tc.stage, &gwatclient.Block{}
				ctx, cancel := context.WithTimeout(t.Context(), within)
				defer cancel()
				begin := time.Now()
				o.lookAcross(ctx, question{within: within, identity: true, identified: tc.identified, spines: []common.Hash{{1}}}, obs)
				require.Equal(t, tc.took, time.Since(begin))
				require.Nil(t, obs.identity)
				if tc.fails {
					require.Equal(t, health.Silent, reach.Gwat(obs.gwat.err))
					return
				}
				require.NoError(t, obs.gwat.err)
				require.Contains(t, obs.blocks, common.Hash{1}, "the rest of the poll was read")
			})
		})
	}
}

// Growth of gwat's DAG is measured from what was read under the head that stands.
func TestSilenceNeedsGrowthThatWasSeen(t *testing.T) {
	p := &Pair{cfg: Config{FallbackSlots: 33}, spec: &checkpoint.Spec{SecondsPerSlot: 4, SlotsPerEpoch: 32}}
	begin := time.Unix(1_700_000_000, 0)
	at := func(slots int, syncing bool, tip primitives.Slot) string {
		o := &observation{at: begin.Add(time.Duration(slots) * 4 * time.Second)}
		o.gwat.sync = gwatclient.SyncStatus{Syncing: syncing, MaxBlockSlot: tip}
		o.gwat.latest = &gwatclient.Block{}
		o.beacon.head.header = beaconclient.Header{Slot: 100, Root: common.Hash{1}}
		p.track.observe(o)
		return p.silent(o)
	}
	require.Empty(t, at(0, false, 0))
	require.Empty(t, at(40, false, 0), "gwat named no slot")
	require.Empty(t, at(41, true, 150), "the first slot that it names is no growth")
	require.Empty(t, at(50, true, 150))
	require.Contains(t, at(51, true, 151), "gwat's DAG grew to slot 151")
}

// Before genesis syncd names its time, tells no finding, and no ETA before it.
func TestGenesisAhead(t *testing.T) {
	inFakeTime(t, fakeConfig{world: func(c *world.Config) { c.GenesisTime = uint64(time.Now().Unix()) + 25 }}, func(f *fake) {
		genesis := f.world.Spec().SlotStart(0)
		f.reaches(fsm.Switching)
		for time.Now().Before(genesis.Add(-fakePoll)) {
			time.Sleep(fakePoll)
			s := f.pair.Snapshot()
			require.Empty(t, s.Findings)
			require.Contains(t, s.Waiting, "genesis at "+genesis.UTC().Format(time.RFC3339))
			require.NotNil(t, s.ETA)
			require.False(t, s.ETA.Before(genesis.Add(headSlots)), "%s", s.ETA)
		}
		for range 40 {
			time.Sleep(fakePoll)
			require.Empty(t, f.pair.Snapshot().Findings)
		}
		f.reaches(fsm.Working)
	})
}

// headSlots is what the switch takes at best after genesis.
const headSlots = switchSlots * fakeSlot

// With the setting, a pair without peers works without a finding.
func TestPeersOptional(t *testing.T) {
	inFakeTime(t, fakeConfig{pair: func(c *Config) { c.PeersOptional = true }}, func(f *fake) {
		f.reaches(fsm.Working)
		f.gwat.SetPeers(0)
		f.beacon.SetPeers(0)
		for range 60 {
			time.Sleep(fakePoll)
			s := f.pair.Snapshot()
			require.Empty(t, s.Findings)
			require.Equal(t, status.VerdictWorking, s.Verdict)
		}
	})
}
