package watch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/testworld/metrics"
	"github.com/gwatsync/syncd/internal/testworld/outage"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/status"
)

// stillPair is a watcher whose loop does not run: a test puts it into a stage and gives it polls.
type stillPair struct {
	*Watcher
	f   *fakePair
	now time.Time
}

func newStillPair(t *testing.T, stage fsm.Stage) *stillPair {
	p := &stillPair{f: newFakePair(), now: time.Unix(genesisTime, 0)}
	cfg := config(p.f)
	cfg.Now = func() time.Time { return p.now }
	w, err := New(cfg)
	require.NoError(t, err)
	p.Watcher = w
	for _, event := range wayTo(stage) {
		require.NoError(t, w.machine.Fire(context.Background(), event, "a test"))
	}
	require.Equal(t, stage, w.machine.Stage())
	return p
}

// wayTo returns the events that lead from the first stage to another one.
func wayTo(stage fsm.Stage) []fsm.Event {
	ways := map[fsm.Stage][]fsm.Event{fsm.Connecting: {}}
	for ways[stage] == nil && stage != fsm.Connecting {
		for _, row := range fsm.Table() {
			for _, from := range row.From {
				if way, known := ways[from]; known && ways[row.To] == nil && row.To != fsm.Connecting {
					ways[row.To] = append(slices.Clone(way), row.Event)
				}
			}
		}
	}
	return ways[stage]
}

// polled takes a poll in, with both nodes at a slot, and shows it.
func (p *stillPair) polled(slot primitives.Slot, gwatErr, beaconErr error) {
	o := &Observation{Begin: p.now, At: p.now, ended: time.Now()}
	o.Gwat.At, o.Beacon.At = p.now, p.now
	if o.Gwat.Err = gwatErr; gwatErr == nil {
		peers, number := uint64(5), uint64(slot)+100
		o.Gwat.Latency, o.Gwat.Version, o.Gwat.Peers = 7*time.Millisecond, "gwat/1", &peers
		o.Gwat.Latest, o.Gwat.Wat = &gwatclient.Block{Number: &number, Slot: slot}, &gwatclient.WatInfo{Current: 9, DAG: 8}
	}
	if o.Beacon.Err = beaconErr; beaconErr == nil {
		peers := uint64(6)
		o.Beacon.Latency, o.Beacon.Version, o.Beacon.Peers, o.Beacon.Spec = 9*time.Millisecond, "prysm/1", &peers, &p.f.spec
		o.Beacon.Head.Slot = slot
		o.Beacon.Finality.Finalized.Epoch, o.Beacon.Finality.CurrentJustified.Epoch = 3, 4
	}
	p.pair.last = o
	p.pair.nodes.observe(o)
	p.publish()
}

func (p *stillPair) gauges(t *testing.T) map[string]float64 {
	return metrics.Values(t, publish.NewMirror(p.Snapshot, health.CoordinatedCatalog()))
}

// In every stage, whichever node is down: the network and its clock stay known, the lag of
// the dead node grows, and nothing that it had is shown as if it were of now.
func TestNothingOfADeadNodeIsShownAsOfNow(t *testing.T) {
	gone := errors.New("connection refused")
	for _, stage := range fsm.Stages() {
		for _, down := range outage.Downs() {
			t.Run(string(stage)+", down: "+down.Name, func(t *testing.T) {
				p := newStillPair(t, stage)
				slot := p.f.spec.SlotAt(p.now)
				first := p.now
				p.polled(slot, nil, nil)
				require.Zero(t, *p.Snapshot().Gwat.LagSlots)
				p.now = p.now.Add(10 * p.f.spec.SlotDuration())
				var gwatErr, beaconErr error
				if down.Gwat {
					gwatErr = gone
				}
				if down.Beacon {
					beaconErr = gone
				}
				p.polled(slot+10, gwatErr, beaconErr)
				s, series := p.Snapshot(), p.gauges(t)
				outage.Require(t, s, down)
				require.Equal(t, slot+10, s.Network.CurrentSlot)
				require.EqualValues(t, slot+10, series["syncd_wall_clock_slot"])
				p.now = p.now.Add(3 * p.f.spec.SlotDuration())
				p.publish() // the next poll hangs
				later := p.Snapshot()
				for _, n := range []struct {
					name        string
					down        bool
					node, later status.Node
				}{{publish.NodeGwat, down.Gwat, s.Gwat, later.Gwat}, {publish.NodeBeacon, down.Beacon, s.Beacon, later.Beacon}} {
					lag := uint64(0)
					if n.down {
						lag = 10
						require.Equal(t, first, n.node.LastKnown.At)
						require.Equal(t, slot, *n.node.LastKnown.Slot)
						for _, of := range []string{"latency_seconds", "peers", "slot"} {
							require.NotContains(t, series, "syncd_node_"+of+" "+n.name)
						}
					} else {
						require.Equal(t, slot+10, *n.node.Slot)
					}
					require.Equal(t, lag, *n.node.LagSlots)
					require.Equal(t, lag+3, *n.later.LagSlots, "it grows without a poll")
					require.EqualValues(t, lag, series["syncd_node_lag_slots "+n.name])
				}
				require.NotEqual(t, down.Gwat, series["syncd_gwat_finalized_number"] != 0)
				require.NotEqual(t, down.Beacon, series["syncd_beacon_finalized_slot"] != 0)
			})
		}
	}
}

// What a syncd of the other era has left of a node may have no slot.
func TestALastAnswerWithoutASlot(t *testing.T) {
	p := newStillPair(t, fsm.Connecting)
	spec := p.f.spec
	p.pair.nodes.resume(publish.Measured{Spec: &spec, GwatKnown: &status.LastKnown{At: p.now}})
	p.polled(1, errors.New("connection refused"), nil)
	require.NotNil(t, p.Snapshot().Gwat.LastKnown)
	require.Nil(t, p.Snapshot().Gwat.LagSlots)
}
