package publish

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/testworld/metrics"
	"github.com/gwatsync/syncd/internal/testworld/outage"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// downPair is a pair that answered at the begin of slot 32, and of which a node does not
// answer ten slots later.
type downPair struct {
	state State
	m     Meters
	h     poll.History
}

func (o *downPair) polled(at time.Time, number uint64, head primitives.Slot, gwatErr, beaconErr error) {
	p := &poll.Observation{Start: at, At: at, Done: at, Began: at, Blocks: map[common.Hash]*gwatclient.Block{}}
	p.Gwat.At, p.Beacon.At = at, at
	if p.Gwat.Err = gwatErr; gwatErr == nil {
		p.Gwat.Latency = 7 * time.Millisecond
		p.Gwat.Latest = &gwatclient.Block{Number: &number, Slot: head - 1}
		p.Gwat.Sync.Activity = protocol.Prepared
	}
	if p.Beacon.Err = beaconErr; beaconErr == nil {
		finalized := uint64(head) - 10
		p.Beacon.Latency, p.Beacon.Spec, p.Beacon.Finalized = 9*time.Millisecond, &spec, &finalized
		p.Beacon.Head.Header.Slot = head
	}
	o.h.Observe(p)
	o.m.Observe(p, &o.h, at)
	o.show(at, p)
}

func (o *downPair) show(at time.Time, p *poll.Observation) {
	peers := uint64(5)
	extra := poll.Extra{Version: "v", Peers: &peers}
	o.state.Seq++
	o.state.At = at
	o.state.Nodes = Nodes{Last: p, History: &o.h, Extras: poll.Extras{Gwat: extra, Beacon: extra}, Measured: o.m.Measured()}
}

func newDownPair(stage fsm.Stage, gwatErr, beaconErr error) *downPair {
	o := &downPair{state: stateAt(stage)}
	o.state.Work.Push = &status.Push{Phase: string(headsync.PhaseFailed)}
	o.state.Pending = &checkpoint.Pending{SentAt: o.state.At}
	o.polled(spec.SlotStart(32), 20, 31, nil, nil)
	o.polled(spec.SlotStart(42), 44, 41, gwatErr, beaconErr)
	return o
}

// errorIf is the error of a node that is down.
func errorIf(down bool) error {
	if down {
		return errors.New("connection refused")
	}
	return nil
}

// gauges returns the values of a snapshot's metrics, by name and labels.
func gauges(t *testing.T, s *status.Snapshot, catalog ...health.Entry) map[string]float64 {
	t.Helper()
	return metrics.Values(t, NewMirror(func() *status.Snapshot { return s }, catalog))
}

// In every stage, whichever node is down: the network and its clock stay known, the lag of
// the dead node grows, and nothing that it had is shown as if it were of now.
func TestNothingOfADeadNodeIsShownAsOfNow(t *testing.T) {
	for _, stage := range fsm.Stages() {
		for _, down := range outage.Downs() {
			t.Run(string(stage)+", down: "+down.Name, func(t *testing.T) {
				o := newDownPair(stage, errorIf(down.Gwat), errorIf(down.Beacon))
				s := Build(o.state)
				outage.Require(t, s, down)
				require.Equal(t, "devnet", s.Network.Name)
				require.EqualValues(t, 42, s.Network.CurrentSlot)
				require.Equal(t, string(checkpoint.EraHeadSync), s.Era)
				o.show(spec.SlotStart(45), o.state.Nodes.Last)
				later := Build(o.state)
				require.EqualValues(t, 45, later.Network.CurrentSlot)
				series, shown := gauges(t, s), terminal.Table(s, s.At, 200)
				require.EqualValues(t, 42, series["syncd_wall_clock_slot"])
				require.Contains(t, series, "syncd_pair_info v v devnet")
				require.Contains(t, shown, "slot 42")
				if down.Gwat {
					requireDead(t, NodeGwat, s.Gwat, later.Gwat, 30, 20, series)
					require.NotContains(t, series, "syncd_gwat_finalized_number")
					require.NotContains(t, series, "syncd_gwat_lock_held syncd")
					require.Contains(t, shown, "last known 40s ago at slot 30, now 12 behind the clock")
				} else {
					require.EqualValues(t, 44, *s.Gwat.Finalized)
					require.EqualValues(t, 2, *s.Gwat.LagSlots)
				}
				if down.Beacon {
					requireDead(t, NodeBeacon, s.Beacon, later.Beacon, 31, 21, series)
					require.NotContains(t, series, "syncd_beacon_finalized_slot")
					require.NotContains(t, series, "syncd_checkpoint_slot")
					require.Contains(t, shown, "last known 40s ago at slot 31, now 11 behind the clock")
				} else {
					require.EqualValues(t, 41, *s.Beacon.Slot)
					require.EqualValues(t, 1, *s.Beacon.LagSlots)
				}
				requireSample(t, s)
			})
		}
	}
}

// requireDead holds what is shown of a node that does not answer to what it may be.
func requireDead(t *testing.T, name string, n, later status.Node, slot primitives.Slot, finalized uint64, series map[string]float64) {
	t.Helper()
	require.Equal(t, &status.LastKnown{At: spec.SlotStart(32), Slot: &slot, Finalized: &finalized}, n.LastKnown)
	require.EqualValues(t, 42-slot, *n.LagSlots)
	require.EqualValues(t, 45-slot, *later.LagSlots, "it grows without a poll")
	require.EqualValues(t, 42-slot, series["syncd_node_lag_slots "+name])
	require.Equal(t, float64(spec.SlotStart(32).Unix()), series["syncd_node_last_answer_timestamp_seconds "+name])
	require.Zero(t, series["syncd_node_up "+name])
	for _, of := range []string{"latency_seconds", "peers", "slot"} {
		require.NotContains(t, series, "syncd_node_"+of+" "+name)
	}
}

// requireSample holds the sample of a snapshot to the nodes that answer.
func requireSample(t *testing.T, s *status.Snapshot) {
	t.Helper()
	b := NewBoard(nil)
	b.Publish(s)
	sample := b.Reader().Samples(1)[0]
	require.EqualValues(t, 42, *sample.WallSlot)
	require.Equal(t, s.Gwat.Reachable, sample.GwatSlot != nil)
	require.Equal(t, s.Gwat.Reachable, sample.GwatNumber != nil)
	require.Equal(t, s.Beacon.Reachable, sample.BeaconSlot != nil)
}

// A poll that does not end takes the clock with it no more than one that fails.
func TestTheLagGrowsWhileAPollHangs(t *testing.T) {
	for _, stage := range fsm.Stages() {
		o := newDownPair(stage, nil, nil)
		o.show(spec.SlotStart(44), o.state.Nodes.Last)
		s := Build(o.state)
		require.EqualValues(t, 44, s.Network.CurrentSlot)
		require.EqualValues(t, 4, *s.Gwat.LagSlots)
		require.EqualValues(t, 3, *s.Beacon.LagSlots)
	}
}

// What was known of the nodes of one network is nothing in another one.
func TestAnotherNetworkVoidsWhatWasKnown(t *testing.T) {
	o := newDownPair(fsm.Halted, errors.New("gone"), nil)
	other := spec
	other.ConfigName, other.GenesisTime = "other", spec.GenesisTime+40
	p := *o.state.Nodes.Last
	p.Beacon.Spec = &other
	o.m.Observe(&p, &o.h, p.At)
	o.show(p.At, &p)
	s := Build(o.state)
	require.Equal(t, "other", s.Network.Name)
	require.Nil(t, s.Gwat.LastKnown)
	require.Nil(t, s.Gwat.LagSlots)
	require.NotNil(t, s.Beacon.LagSlots)
}

// Before the first poll no metric of a node exists: no zero that nobody has measured.
func TestNoMetricOfANodeBeforeTheFirstPoll(t *testing.T) {
	s := stateAt(fsm.Connecting)
	s.Nodes = Nodes{History: &poll.History{}}
	series := gauges(t, Build(s))
	for name := range series {
		require.False(t, slices.ContainsFunc([]string{"syncd_node_", "syncd_gwat_"}, func(p string) bool { return len(name) >= len(p) && name[:len(p)] == p }), name)
	}
}
