package poll

import (
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/protocol"
)

// testSpec has slots of 4 s and epochs of 8 slots.
var testSpec = checkpoint.Spec{SlotsPerEpoch: 8, SecondsPerSlot: 4, CreatorsPerSlot: 4, GenesisTime: 1_000_000}

// answeredAt is an observation of two nodes that answered at the begin of a slot.
func answeredAt(slot primitives.Slot) *Observation {
	at := testSpec.SlotStart(slot)
	return &Observation{Start: at, At: at, Done: at, Gwat: Gwat{Latest: finalBlock(1, 1, 1)}, Blocks: map[common.Hash]*gwatclient.Block{}}
}

func finalBlock(name byte, number uint64, slot primitives.Slot) *gwatclient.Block {
	return &gwatclient.Block{Hash: common.Hash{name}, Number: &number, Height: number, Slot: slot}
}

func TestTrackCountsFailedLooks(t *testing.T) {
	var tr History
	first, second := answeredAt(10), answeredAt(11)
	first.Gwat.Err, second.Gwat.Err = gwatclient.ErrLost, syscall.ECONNREFUSED
	second.Start = second.At.Add(-time.Second)
	tr.Observe(first)
	require.Equal(t, 1, tr.Fails)
	require.Equal(t, first.At, tr.bad)
	require.Zero(t, tr.BadBefore)
	require.Zero(t, tr.GwatDown, "a lost answer does not show that the process is gone")
	tr.Observe(second)
	require.Equal(t, 2, tr.Fails)
	require.Equal(t, second.At, tr.bad)
	require.Equal(t, first.At, tr.BadBefore)
	require.Equal(t, second.Start, tr.GwatDown)
	tr.Observe(answeredAt(12))
	require.Zero(t, tr.Fails)
	require.Equal(t, second.At, tr.bad)
}

// The DAG's growth is measured from the first slot read under a head.
func TestTrackMeasuresGrowthUnderOneHead(t *testing.T) {
	var tr History
	observe := func(slot primitives.Slot, root byte, syncing bool, tip primitives.Slot) {
		o := answeredAt(slot)
		o.Beacon.Head.Header = beaconclient.Header{Slot: 5, Root: common.Hash{root}}
		o.Gwat.Sync = protocol.State{Syncing: syncing, TipSlot: tip}
		tr.Observe(o)
	}
	observe(10, 1, false, 0)
	require.False(t, tr.dagKnown)
	observe(11, 1, true, 20)
	observe(12, 1, true, 22)
	require.Equal(t, []primitives.Slot{20, 22}, []primitives.Slot{tr.dagThen, tr.dag})
	require.Equal(t, testSpec.SlotStart(10), tr.HeadFrom)
	observe(13, 2, true, 23)
	require.Equal(t, []primitives.Slot{23, 23}, []primitives.Slot{tr.dagThen, tr.dag})
	require.Equal(t, testSpec.SlotStart(13), tr.HeadFrom)
}

func TestTrackKeepsWhenTheNumberMoved(t *testing.T) {
	var tr History
	for _, step := range []struct {
		slot primitives.Slot
		n    uint64
		from primitives.Slot
	}{{10, 0, 10}, {11, 0, 10}, {12, 3, 12}, {13, 3, 12}, {14, 2, 14}} {
		o := answeredAt(step.slot)
		o.Gwat.Latest = finalBlock(1, step.n, 1)
		tr.Observe(o)
		require.Equal(t, step.n, tr.Number)
		require.Equal(t, testSpec.SlotStart(step.from), tr.NumberFrom)
	}
}

// The coordinated slot follows heads whose spines are final, and falls with gwat's finality.
func TestTrackKeepsTheCoordinatedSlot(t *testing.T) {
	var tr History
	observe := func(head primitives.Slot, number uint64, state byte, spines ...common.Hash) {
		o := answeredAt(head)
		o.Beacon.Head.Header.Slot, o.Beacon.Head.Spines = head, spines
		o.Gwat.Latest = finalBlock(1, number, 1)
		for _, s := range spines {
			if state == 'f' {
				o.Blocks[s] = finalBlock(s[0], number, head)
			}
		}
		tr.Observe(o)
	}
	observe(20, 7, 'f')
	require.Zero(t, tr.Coordinated, "a head without spines shows nothing yet")
	observe(21, 7, 'o', common.Hash{5})
	require.Zero(t, tr.Coordinated)
	observe(22, 8, 'f', common.Hash{5})
	require.EqualValues(t, 22, tr.Coordinated)
	require.EqualValues(t, 8, tr.coordNumber)
	observe(23, 8, 'f')
	require.EqualValues(t, 23, tr.Coordinated, "nothing to finalize, of a pair at work")
	observe(24, 8, 'o', common.Hash{6})
	require.EqualValues(t, 23, tr.Coordinated)
	observe(25, 7, 'o', common.Hash{6})
	require.Zero(t, tr.Coordinated, "gwat was rolled back")
	require.Zero(t, tr.coordNumber)
}

// A reorg of some slots is no step back; a longer one is.
func TestTrackHoldsTheHead(t *testing.T) {
	var tr History
	for _, step := range []struct{ head, want primitives.Slot }{
		{100, 100}, {101, 101}, {100, 101}, {101 - checkpoint.NearHead, 101}, {100 - checkpoint.NearHead, 100 - checkpoint.NearHead},
	} {
		tr.holdHead(step.head)
		require.Equal(t, step.want, tr.HighHead)
	}
}

// While a rollback runs under gwat's lock its number is 0: that is not known, not lost.
func TestNumberUnderTheLockIsUnknown(t *testing.T) {
	zero, nine := uint64(0), uint64(9)
	for _, tc := range []struct {
		stage  protocol.Activity
		number *uint64
		want   *uint64
	}{
		{protocol.Prepared, &zero, nil}, {protocol.Prepared, &nine, &nine},
		{protocol.Behind, &zero, &zero}, {protocol.Idle, nil, nil},
	} {
		o := &Observation{At: time.Unix(1, 0)}
		o.Gwat.Sync.Activity, o.Gwat.Latest = tc.stage, &gwatclient.Block{Number: tc.number, Slot: 5}
		require.Equal(t, tc.want, o.number())
		in := GwatHealth(o)
		require.Equal(t, tc.want, in.Number)
		kept := History{Number: 219, NumberFrom: time.Unix(0, 1), Coordinated: 140, coordNumber: 219}
		kept.Observe(o)
		if tc.want == nil {
			require.EqualValues(t, 219, kept.Number)
			require.EqualValues(t, 140, kept.Coordinated)
		} else {
			require.Equal(t, *tc.want, kept.Number)
			require.Zero(t, kept.Coordinated)
		}
	}
	require.Nil(t, (&Observation{}).number())
}

func TestASilentBeaconSide(t *testing.T) {
	for name, tc := range map[string]struct {
		since         time.Duration
		then, now     primitives.Slot
		known, silent bool
	}{
		"for the slots allowed":    {12 * time.Second, 20, 21, true, true},
		"for less than them":       {12*time.Second - 1, 20, 21, true, false},
		"gwat's DAG does not move": {time.Minute, 20, 20, true, false},
		"gwat's DAG fell":          {time.Minute, 20, 19, true, false},
		"the first is not known":   {time.Minute, 0, 21, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := answeredAt(32)
			tr := History{HeadFrom: o.At.Add(-tc.since), dagThen: tc.then, dag: tc.now, dagKnown: tc.known}
			require.Equal(t, tc.silent, tr.Silent(o, 4*time.Second, 3) != "")
			tr.HeadFrom = time.Time{}
			require.Empty(t, tr.Silent(o, 4*time.Second, 3))
		})
	}
}

// Growth of gwat's DAG is measured from what was read under the head that does not move.
func TestSilenceNeedsGrowthThatWasSeen(t *testing.T) {
	var tr History
	begin := time.Unix(1_700_000_000, 0)
	at := func(slots int, syncing bool, tip primitives.Slot) string {
		o := &Observation{At: begin.Add(time.Duration(slots) * 4 * time.Second)}
		o.Gwat.Sync = protocol.State{Syncing: syncing, TipSlot: tip}
		o.Gwat.Latest = &gwatclient.Block{}
		o.Beacon.Head.Header = beaconclient.Header{Slot: 100, Root: common.Hash{1}}
		tr.Observe(o)
		return tr.Silent(o, 4*time.Second, 33)
	}
	require.Empty(t, at(0, false, 0))
	require.Empty(t, at(40, false, 0), "gwat named no slot")
	require.Empty(t, at(41, true, 150), "the first slot that it names is no growth")
	require.Empty(t, at(50, true, 150))
	require.Contains(t, at(51, true, 151), "gwat's DAG grew to slot 151")
}

// gwat's DAG grew only if two readings since the beacon's last head show it.
func TestGrowthIsReadTwice(t *testing.T) {
	t.Parallel()
	var tr History
	at := time.Unix(1000, 0)
	poll := func(syncing bool, newest primitives.Slot) string {
		at = at.Add(time.Second)
		o := &Observation{Start: at, At: at, Gwat: Gwat{Sync: protocol.State{Syncing: syncing, TipSlot: newest}, Latest: &gwatclient.Block{}}}
		o.Beacon.Head.Header.Root = common.Hash{1}
		tr.Observe(o)
		return tr.Silent(o, time.Second, 5)
	}
	for range 8 {
		require.Empty(t, poll(false, 0), "the DAG's state is not known")
	}
	require.Empty(t, poll(true, 90), "one reading shows no growth")
	require.Empty(t, poll(true, 90))
	require.Contains(t, poll(true, 91), "grew to slot 91")
}

// A poll without an answer of the beacon node says nothing about its head.
func TestTrackHoldsTheHeadOverALostPoll(t *testing.T) {
	var tr History
	o := answeredAt(10)
	o.Beacon.Head.Header = beaconclient.Header{Slot: 9, Root: common.Hash{9}}
	tr.Observe(o)
	require.EqualValues(t, 9, tr.HighHead)
	lost := answeredAt(11)
	lost.Beacon.Err = syscall.ECONNREFUSED
	tr.Observe(lost)
	require.EqualValues(t, 9, tr.HighHead)
}
