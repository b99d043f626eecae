package watch

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch/heal"
)

// mark is how many calls gwat has had.
func (p *simulated) mark() int { return len(p.gwat.Calls()) }

// silence brings the incident about in which the beacon node makes no call.
func silence(p *simulated) { lasting["B7 beacon silent"].incident(p) }

// The calls for a silent beacon node are those of its own driver: one MainSync for each
// epoch after the checkpoint of gwat, then one HeadSync. gwat works afterwards, and the
// beacon node goes on as soon as its head does.
func TestDrive(t *testing.T) {
	// A restart of the beacon node is proved by the same finding, which goes some polls after its cause.
	besideAPairWith(t, withHeals(Heals{Drive: true, RestartBeacon: "restart beacon"}), func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		silence(p)
		before, head := p.mark(), uint64(*p.watcher.Snapshot().Beacon.Slot)
		from := p.checkpointEpoch(t)
		within(t, p.watcher, 60*time.Second, "gwat in normal work", func(*status.Snapshot) bool { return !p.gwat.Syncing() })
		var want []coordinated.Finalize
		for epoch := from + 1; epoch <= head/p.net.SlotsPerEpoch; epoch++ {
			want = append(want, p.net.Call(epoch*p.net.SlotsPerEpoch, coordinated.MainSync))
		}
		want = append(want, p.net.Call(head, coordinated.HeadSync))
		for i, c := range p.gwat.Calls()[before:] {
			require.Equal(t, want[i], c.Asked)
			require.Nil(t, c.Answer.Error)
		}
		require.Len(t, p.gwat.Calls()[before:], len(want))
		within(t, p.watcher, 20*time.Second, "beacon_silent to go", func(s *status.Snapshot) bool { return !hasFinding("beacon_silent")(s) })
		done := heals(t, p)
		require.Len(t, done, 1)
		require.Contains(t, done[0].Reason, "heal drive: gwat was driven to the state of slot")
		p.beacon.Freeze(false)
		p.works(t, 30*time.Second)
	})
}

func (p *simulated) checkpointEpoch(t *testing.T) uint64 {
	t.Helper()
	slot, known := p.net.SlotOfRoot(*p.gwat.State().Root)
	require.True(t, known)
	return slot / p.net.SlotsPerEpoch
}

// gwat executes a validator's operation only if the coordinator sent it the same: with one
// pending nothing is driven, and the reason is shown.
func TestNothingIsDrivenOverValidatorOperations(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{Drive: true}), func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		p.beacon.SetExit(1 << 40)
		silence(p)
		before := p.mark()
		within(t, p.watcher, 60*time.Second, "a try", func(*status.Snapshot) bool { return len(heals(t, p)) > 0 })
		require.Contains(t, heals(t, p)[0].Reason, "validator 1: exit in epoch 1099511627776; restart the beacon node")
		time.Sleep(3 * time.Minute)
		require.Len(t, p.gwat.Calls(), before)
	})
	besideAPairWith(t, withHeals(Heals{Drive: true}), func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		p.beacon.SetExit(1) // long ago
		silence(p)
		within(t, p.watcher, 60*time.Second, "gwat in normal work", func(*status.Snapshot) bool { return !p.gwat.Syncing() })
	})
}

// The calls end at the first sign of a competing driver: a head event, or a state of gwat that
// is not the last answer.
func TestDriveStops(t *testing.T) {
	for name, tc := range map[string]struct {
		disturb func(p *simulated)
		want    string
	}{
		"the head moves": {func(p *simulated) { p.beacon.Freeze(false); time.Sleep(2 * p.net.SlotTime()); p.beacon.Freeze(true) }, "the beacon's head moved"},
		"another call":   {func(p *simulated) { p.gwat.Finalize(p.net.Call(p.net.Slot()-40, coordinated.NoSync)) }, "by a competing driver"},
	} {
		besideAPairWith(t, withHeals(Heals{}), func(t *testing.T, p *simulated) {
			p.works(t, 30*time.Second)
			silence(p)
			one := p.oneTry(t)
			plan, err := one.plan(t.Context(), heal.Drive)
			require.NoError(t, err, name)
			require.NotEmpty(t, plan.calls)
			tc.disturb(p)
			before := p.mark()
			what, err := one.finalize(t.Context(), plan)
			require.ErrorIs(t, err, heal.ErrStopped, name)
			require.ErrorContains(t, err, tc.want, name)
			require.Contains(t, what, "sent 0 of")
			require.Len(t, p.gwat.Calls(), before)
		})
	}
}

func (p *simulated) oneTry(t *testing.T) *try {
	t.Helper()
	w := p.watcher
	g := guard.New(false)
	return &try{gwat: w.cfg.Gwat, beacon: w.cfg.Beacon, changes: w.cfg.Changes, permit: g.Permit(), run: p.command,
		spec: checkpoint.Spec{SlotsPerEpoch: p.net.SlotsPerEpoch, SecondsPerSlot: p.net.SecondsPerSlot}}
}

// A gwat of which no peer is known finalizes what it has, without a peer.
func TestLadderWithoutAPeer(t *testing.T) {
	unknown := func(p *simulated, c *Config) { c.Heals = Heals{Peers: true}; p.gwat.SetPeers("not an enode") }
	besideAPairWith(t, unknown, func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		last := p.gwat.State().LastFinalized
		final, known := p.net.SlotOfSpine(*last)
		require.True(t, known)
		p.gwatWire.Set(wire.Refused)
		time.Sleep(2 * time.Second)
		p.gwat.Restart()
		p.gwatWire.Set(wire.Up)
		before := p.mark()
		within(t, p.watcher, 60*time.Second, "gwat in normal work", func(*status.Snapshot) bool { return !p.gwat.Syncing() })
		done := heals(t, p)
		require.Len(t, done, 1)
		require.Contains(t, done[0].Reason, "heal peers: gwat was driven to the state of slot")
		now, known := p.net.SlotOfSpine(*p.gwat.State().LastFinalized)
		require.True(t, known)
		require.GreaterOrEqual(t, now, final-p.net.SlotsPerEpoch, "what is local is final again, up to an epoch")
		ours := 0
		for _, c := range p.gwat.Calls()[before:] {
			if c.Asked.Mode == coordinated.NoSync {
				require.Nil(t, c.Answer.Error)
				ours++
			}
		}
		require.Positive(t, ours)
		p.gwat.AddPeer("enode://a")
		p.works(t, 30*time.Second)
	})
}

// The call of every state is the one that the beacon node makes, by network of any age.
func TestCallsOfStates(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{}), func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		one := p.oneTry(t)
		for _, slot := range []uint64{8, 15, 16, 24, 31, 32, 100} {
			header, _, err := one.firstOf(t.Context(), one.spec.Epoch(primitives.Slot(slot)), primitives.Slot(slot))
			require.NoError(t, err)
			s, err := one.state(t.Context(), header, 0)
			require.NoError(t, err)
			got, err := s.Finalization(&one.spec, gwatclient.ModeMainSync)
			require.NoError(t, err)
			want := p.net.Call(uint64(header.Slot), coordinated.MainSync)
			require.Equal(t, want.Spines, got.Spines)
			require.Equal(t, *want.BaseSpine, got.Base)
			require.EqualValues(t, want.Checkpoint.Epoch, got.Checkpoint.Epoch)
			require.EqualValues(t, want.Checkpoint.FinEpoch, got.Checkpoint.FinEpoch)
			require.Equal(t, want.Checkpoint.Root, got.Checkpoint.Root)
			require.Equal(t, want.Checkpoint.Spine, got.Checkpoint.Spine)
		}
	})
}

// emptySlots is a beacon node whose chain has no block in some slots.
type emptySlots struct {
	Beacon
	empty []beaconclient.BlockID
}

func (b emptySlots) Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	if slices.Contains(b.empty, id) {
		return beaconclient.Header{}, beaconclient.ErrNotFound
	}
	return b.Beacon.Header(ctx, id)
}

// The driver calls with the first block of an epoch, wherever it is; without one it makes
// no call for the epoch.
func TestFirstBlockOfAnEpoch(t *testing.T) {
	besideAPairWith(t, withHeals(Heals{}), func(t *testing.T, p *simulated) {
		p.works(t, 30*time.Second)
		one := p.oneTry(t)
		first := func(last primitives.Slot, empty ...beaconclient.BlockID) (primitives.Slot, bool) {
			one.beacon = emptySlots{p.watcher.cfg.Beacon, empty}
			header, found, err := one.firstOf(t.Context(), 2, last)
			require.NoError(t, err)
			return header.Slot, found
		}
		slot, found := first(100)
		require.True(t, found)
		require.EqualValues(t, 16, slot)
		slot, found = first(100, "16", "17")
		require.True(t, found)
		require.EqualValues(t, 18, slot)
		_, found = first(17, "16", "17")
		require.False(t, found, "not past the head")
		_, found = first(100, "16", "17", "18", "19", "20", "21", "22", "23")
		require.False(t, found, "not in the next epoch")
	})
}

// A gwat that is too far behind is left to the beacon node: nothing is read for hours.
func TestTooManyEpochsAreNotDriven(t *testing.T) {
	old := func(p *simulated, _ *Config) { p.net.GenesisTime -= 2 * 8 * (heal.MaxEpochs + 1) }
	besideAPairWith(t, old, func(t *testing.T, p *simulated) {
		p.works(t, time.Minute)
		p.beacon.Freeze(true)
		time.Sleep(2 * p.net.SlotTime())
		p.gwat.Wipe()
		_, err := p.oneTry(t).plan(t.Context(), heal.Drive)
		require.ErrorIs(t, err, heal.ErrUnproved)
		require.ErrorContains(t, err, "at most 64 are driven")
	})
}
