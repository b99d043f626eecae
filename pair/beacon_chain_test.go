package pair

import (
	"context"
	"flag"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

// chainSlot is the length of a slot in the tests of this file, as of a real network.
const chainSlot = 4 * time.Second

// chainBench is a bench whose beacon node is the real one: it drives gwat by itself, and
// a gossip block whose dag_finalize failed ends its chain. Its calls pass a gate, or
// reach gwat directly.
type chainBench struct {
	*bench
	gate *gate.Gate // nil beside
	loop Gate       // the gate as the loop has it
	disk gwatsim.Disk
	cost func(*gwatsim.Config)
}

// newChainBench starts both nodes.
func newChainBench(t *testing.T, chain world.Chain, gated bool, cost func(*gwatsim.Config), beacon func(*beaconsim.Config)) *chainBench {
	t.Helper()
	b := &chainBench{cost: cost, bench: &bench{
		t: t, world: chain, gwatHost: &wire.Wire{}, beaconHost: &wire.Wire{}, journal: journal.OpenMemory(),
	}}
	way := b.gwatHost
	if gated {
		var err error
		b.gate, err = gate.New(gate.Config{HTTP: "127.0.0.1:0", Backend: gwatURL, Transport: b.gwatHost, Log: quietLog()})
		require.NoError(t, err)
		b.loop = b.gate
		way = &wire.Wire{}
		way.Serve(b.gate.Handler())
	}
	b.runGwat()
	b.startBeacon(func(c *beaconsim.Config) {
		c.Driver, c.Transport = beaconsim.DriverReal, way
		if beacon != nil {
			beacon(c)
		}
	})
	t.Cleanup(func() { b.stopGwat(); b.stopBeacon() })
	return b
}

// runGwat starts gwat over what its disk holds.
func (b *chainBench) runGwat() {
	b.t.Helper()
	b.startGwat(func(c *gwatsim.Config) {
		c.Disk = &b.disk
		if b.cost != nil {
			b.cost(c)
		}
	})
	b.gwatHost.Set(wire.Up)
}

// away kills gwat and starts it again after d.
func (b *chainBench) away(d time.Duration) {
	b.gwatHost.Down()
	b.gwat.Close()
	b.stopGwat()
	time.Sleep(d)
	b.runGwat()
}

// stopped has gwat stand still for d: what it is asked meanwhile it answers afterwards,
// and its blocks of that time arrive a second later than that.
func (b *chainBench) stopped(d time.Duration) {
	since, goOn := b.world.Spec().SlotAt(time.Now()), make(chan struct{})
	b.gwatHost.Put(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-goOn:
				next.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
	})
	time.Sleep(d)
	b.gwat.DropDAG(since, time.Second)
	b.gwatHost.Put(nil)
	close(goOn)
}

func (b *chainBench) startSyncd() *daemon {
	b.t.Helper()
	return b.start(func(c *Config) {
		c.CallTimeout, c.PushTimeout, c.LockTime = 20*time.Second, 20*time.Second, time.Minute
		if b.gate != nil {
			c.Gate = b.loop
		}
	})
}

// chainWorld is a network with slots of chainSlot that is some slots old.
func chainWorld(t *testing.T, slots uint64) world.Chain {
	t.Helper()
	return quickWorld(t, func(c *world.Config) {
		c.SecondsPerSlot, c.GenesisTime = uint64(chainSlot/time.Second), uint64(time.Now().Unix())-slots*uint64(chainSlot/time.Second)
	})
}

// requireOneDriver proves that no call by which the beacon node drives reached gwat:
// every one that the gate saw was answered by it.
func (b *chainBench) requireOneDriver() {
	b.t.Helper()
	asked := 0
	for _, c := range b.gate.Calls(0) {
		if c.Method == "dag_headSyncReady" || c.Method == "dag_headSync" {
			asked++
			require.Equal(b.t, gate.ActionAnswer, c.Action, "%s reached gwat", c.Method)
		}
	}
	require.GreaterOrEqual(b.t, asked, 2, "the beacon node's driver asked nothing")
}

// requireChain proves that the beacon node's chain lives and that the pair works.
func (b *chainBench) requireChain(d *daemon) {
	b.t.Helper()
	time.Sleep(8 * chainSlot) // long enough for a dead chain to show
	require.Zero(b.t, b.beacon.BadBlocks(), "blocks are marked bad")
	require.LessOrEqual(b.t, b.world.Spec().SlotAt(time.Now()), b.beacon.State().Head.Slot+2, "the beacon's head does not move")
	d.eventually("the pair works", func(s *status.Snapshot) bool { return s.Stage == string(fsm.Working) })
	require.Zero(b.t, b.gate.Status().Absorbed.Count, "what was absorbed is not proved")
	b.requireOneDriver()
	b.requireSafety()
}

// incidents are what happens to gwat under a pair that works.
var incidents = map[string]func(*chainBench){
	"away for 20 s":    func(b *chainBench) { b.away(20 * time.Second) },
	"away for 60 s":    func(b *chainBench) { b.away(60 * time.Second) },
	"away for 120 s":   func(b *chainBench) { b.away(120 * time.Second) },
	"away for 240 s":   func(b *chainBench) { b.away(240 * time.Second) },
	"stopped for 25 s": func(b *chainBench) { b.stopped(25 * time.Second) },
	"stopped for 60 s": func(b *chainBench) { b.stopped(60 * time.Second) },
}

// Through the gate the beacon node keeps its chain whatever becomes of gwat.
func TestTheBeaconKeepsItsChainBehindTheGate(t *testing.T) {
	for name, happens := range incidents {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(t *testing.T) {
				b := newChainBench(t, chainWorld(t, 60), true, nil, nil)
				d := b.startSyncd()
				d.reaches(fsm.Working)
				happens(b)
				b.requireChain(d)
			})
		})
	}
}

// Without the gate's waiting the same ends the beacon node's chain: the tests above
// would see it.
func TestTheBeaconLosesItsChainWithoutTheGate(t *testing.T) {
	for name, happens := range incidents {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(t *testing.T) {
				b := newChainBench(t, chainWorld(t, 60), false, nil, nil)
				time.Sleep(3 * chainSlot) // its own driver has brought gwat level
				b.startSyncd().reaches(fsm.Working)
				require.Zero(t, b.beacon.BadBlocks())
				happens(b)
				b.requireDead()
			})
		})
	}
}

// requireDead proves that the beacon node's head has stopped for good.
func (b *chainBench) requireDead() {
	b.t.Helper()
	time.Sleep(chainSlot) // what gwat was asked is answered
	require.Positive(b.t, b.beacon.BadBlocks())
	at := b.beacon.State().Head.Slot
	time.Sleep(10 * chainSlot)
	require.Equal(b.t, at, b.beacon.State().Head.Slot, "the head goes on")
}

// costly has a ready hold gwat's lock for longer than a slot, as on busy nodes: no
// moment between two blocks is long enough.
func costly(c *gwatsim.Config) {
	c.RollbackCost, c.EntryCost, c.Lock = 250*time.Millisecond, 10*time.Millisecond, time.Minute
}

// phases of a slot at which a resync begins.
const phases = 8

// resyncAt orders a resync of the pair at a phase of a slot, with the push from the last
// checkpoint, and waits for what comes of it.
func (b *chainBench) resyncAt(d *daemon, phase int) {
	b.t.Helper()
	next := b.world.Spec().SlotStart(b.world.Spec().SlotAt(time.Now()) + 2)
	time.Sleep(time.Until(next.Add(time.Duration(phase) * chainSlot / phases)))
	require.NoError(b.t, d.Resync(context.Background(), status.Resync{Full: true, Force: true}))
	time.Sleep(3 * chainSlot)
}

func TestAResyncBehindTheGateHarmsNoChain(t *testing.T) {
	for phase := range phases {
		onePhase(t, phase, func(t *testing.T) {
			b := newChainBench(t, chainWorld(t, 60), true, costly, nil)
			d := b.startSyncd()
			d.reaches(fsm.Working)
			pushes := b.calls("dag_headSync")
			b.resyncAt(d, phase)
			require.Greater(t, b.calls("dag_headSync"), pushes, "nothing was pushed")
			b.requireChain(d)
		})
	}
}

func onePhase(t *testing.T, phase int, test func(*testing.T)) {
	t.Run((time.Duration(phase) * chainSlot / phases).String(), func(t *testing.T) { onBench(t, test) })
}

// neverHolds is a gate that forwards everything at once: it holds nothing back.
type neverHolds struct{ *gate.Gate }

func (g neverHolds) SetView(v gate.View) {
	v.State = gate.StateHandsOff
	g.Gate.SetView(v)
}

// Without the gate's waiting a resync meets a block's dag_finalize sooner or later.
func TestResyncsEndTheChainIfTheGateDoesNotWait(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newChainBench(t, chainWorld(t, 60), true, costly, nil)
		b.loop = neverHolds{b.gate}
		b.loop.SetView(gate.View{})
		time.Sleep(3 * chainSlot)
		d := b.startSyncd()
		d.reaches(fsm.Working)
		require.Zero(t, b.beacon.BadBlocks())
		for phase := 0; phase < phases && b.beacon.BadBlocks() == 0; phase++ {
			d.eventually("the pair works", func(s *status.Snapshot) bool { return s.Stage == string(fsm.Working) })
			b.resyncAt(d, phase)
		}
		b.requireDead()
	})
}

// farSlots is how far gwat is behind in TestALongPushUnderABeaconAtWork.
var farSlots = flag.Uint64("far", 2_000, "slots of the long push under a beacon node at work")

// A gwat that is far behind is brought level while the beacon node does normal work.
func TestALongPushUnderABeaconAtWork(t *testing.T) {
	onBench(t, func(t *testing.T) {
		far := *farSlots
		chain := quickWorld(t, func(c *world.Config) {
			c.SecondsPerSlot, c.MaxBlocksPerSlot = uint64(chainSlot/time.Second), 1
			c.GenesisTime = uint64(time.Now().Unix()) - (far+200)*c.SecondsPerSlot
			c.StallJustification = []world.EpochRange{{From: 20, To: primitives.Epoch((far + 8_000) / c.SlotsPerEpoch)}}
		})
		var entries atomic.Uint64 // pushed
		b := newChainBench(t, chain, true, func(c *gwatsim.Config) {
			c.OnCall = func(c gwatsim.Call) {
				if c.Method == "dag_headSync" {
					entries.Add(uint64(len(c.Infos)))
				}
			}
			c.SyncSpeed, c.DAGSpeed, c.EntryCost = 1000, float64(far), 2*time.Millisecond
		}, func(c *beaconsim.Config) { c.IdleWork = true })
		d := b.startSyncd()
		d.reaches(fsm.HeadSync) // or the first call of a beacon node at work would finalize all
		b.beacon.SetIdle(false)
		require.Eventually(t, func() bool { return d.Snapshot().Stage == string(fsm.Working) }, 30*time.Minute, time.Second)
		t.Logf("%d entries pushed", entries.Load())
		require.Positive(t, entries.Load())
		b.requireChain(d)
	})
}
