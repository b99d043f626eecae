package pair

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/pair/orders"
	"github.com/gwatsync/syncd/status"
)

var wholeWay = []fsm.Stage{
	fsm.CheckpointSync, fsm.DAGSync, fsm.HeadSyncReady, fsm.HeadSync, fsm.Switching, fsm.Working,
}

func fromZero(c *gwatsim.Config)         { c.SyncSpeed, c.DAGSpeed = 60, 20 }
func beaconFromZero(c *beaconsim.Config) { c.SyncSpeed = 20 }

// idle is a beacon that makes no calls until it is told to: one that calls while
// gwat waits may finalize by itself what is to be pushed.
func idle(c *beaconsim.Config) { c.IdleWork = true }

func TestFromNothingToWorking(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, func(c *world.Config) { c.MissRate = 0.1 }), fromZero,
			func(c *beaconsim.Config) { beaconFromZero(c); idle(c) })
		d := b.start(nil)
		seen := d.reaches(fsm.Switching)
		b.beacon.SetIdle(false)
		require.Equal(t, wholeWay, append(seen, d.reaches(fsm.Working)...))

		s := d.Snapshot()
		require.Equal(t, "working", s.Stage)
		require.True(t, s.Gwat.Reachable)
		require.True(t, s.Beacon.Reachable)
		require.Equal(t, uint64(3), *s.Gwat.Peers)
		require.NotEmpty(t, s.Gwat.Version)
		require.NotEmpty(t, s.Beacon.Version)
		require.NotNil(t, s.Checkpoint.Spine)
		require.NotNil(t, s.Confirmed)
		require.Equal(t, "done", s.Push.Phase)
		require.Equal(t, s.Push.Progress.Target, s.Push.Progress.Current)
		require.Equal(t, uint64(1), s.Network.SecondsPerSlot)
		require.Nil(t, s.LastError)
		require.Nil(t, s.CompetingDriver)
		require.GreaterOrEqual(t, b.calls("dag_headSync"), 1)
		require.Equal(t, b.calls("dag_headSyncReady"), b.calls("dag_headSync"))
		require.Nil(t, b.mustPending())
		requireCanonicalOrder(t, b)

		// A change is published before it is on the disk.
		require.Eventually(t, func() bool {
			history, err := d.History(context.Background(), 100)
			return err == nil && len(history) == len(wholeWay) && history[0].To == "working"
		}, soon, 20*time.Millisecond)
	})
}

// A daemon that starts beside a healthy pair changes nothing in it.
func TestHealthyPairIsLeftAlone(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		first := b.start(nil)
		first.reaches(fsm.Working)
		first.stop()
		ready, push := b.calls("dag_headSyncReady"), b.calls("dag_headSync")

		second := b.start(nil)
		seen := second.reaches(fsm.Working)
		require.NotContains(t, seen, fsm.HeadSync)
		require.Equal(t, ready, b.calls("dag_headSyncReady"))
		require.Equal(t, push, b.calls("dag_headSync"))
	})
}

func TestObserveNeverWrites(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		d := b.start(func(c *Config) { c.Observe = true })
		d.reaches(fsm.HeadSyncReady)
		d.eventually("says that it only observes", func(s *status.Snapshot) bool {
			return s.Observe && s.Attempts > 3 && s.Waiting == "syncd only observes (--observe)"
		})
		if e := d.Snapshot().LastError; e != nil {
			require.Equal(t, "restart_attempt", e.Kind, "only a reorg ends what an observer collects: %s", e.Message)
		}
		for _, method := range []string{"dag_headSyncReady", "dag_headSync", "dag_sync", "dag_finalize"} {
			require.Zero(t, b.calls(method), method)
		}
	})
}

func TestNodeLossAndReturn(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		d := b.start(nil)
		d.reaches(fsm.Working)

		b.gwatHost.Down()
		d.reaches(fsm.Connecting)
		require.Contains(t, d.Snapshot().Waiting, "gwat at http://127.0.0.1")
		require.NotNil(t, d.Snapshot().Gwat.Error)
		gone := d.requireGoesOn(func(s *status.Snapshot) status.Node { return s.Gwat })
		b.gwatHost.Set(wire.Up)
		d.reaches(fsm.Working)

		require.Nil(t, d.Snapshot().Gwat.LastKnown)
		require.Greater(t, *d.Snapshot().Gwat.Slot, *gone.Slot)

		b.beaconHost.Down()
		d.reaches(fsm.Connecting)
		require.Contains(t, d.Snapshot().Waiting, "the beacon node at http://127.0.0.1")
		d.requireGoesOn(func(s *status.Snapshot) status.Node { return s.Beacon })
		b.beaconHost.Set(wire.Up)
		d.reaches(fsm.Working)
	})
}

// requireGoesOn holds that the clock goes on without a node, and that nothing of that node
// is shown as of now but how far it falls behind.
func (d *daemon) requireGoesOn(node func(*status.Snapshot) status.Node) *status.LastKnown {
	d.t.Helper()
	before := d.Snapshot()
	time.Sleep(10 * time.Second)
	s := d.Snapshot()
	require.NotNil(d.t, s.Network)
	require.EqualValues(d.t, 10, s.Network.CurrentSlot-before.Network.CurrentSlot)
	n := node(s)
	require.EqualValues(d.t, 10, *n.LagSlots-*node(before).LagSlots)
	require.EqualValues(d.t, s.Network.CurrentSlot-*n.LastKnown.Slot, *n.LagSlots)
	require.Nil(d.t, n.LatencyMS)
	require.Nil(d.t, n.Slot)
	require.Nil(d.t, n.Peers)
	require.Nil(d.t, n.Progress)
	return n.LastKnown
}

func TestWrongNetworkHaltsAndLeavesByItself(t *testing.T) {
	onBench(t, func(t *testing.T) {
		chain := quickWorld(t, nil)
		b := newBench(t, chain, nil, nil)
		b.stopGwat()
		good := b.world
		b.world = quickWorld(t, func(c *world.Config) { c.ChainID = 4711 })
		b.startGwat(nil)

		d := b.start(nil)
		d.reaches(fsm.Halted)
		require.Contains(t, d.Snapshot().Waiting, "gwat's chain id is 4711")
		require.Zero(t, b.calls("dag_headSyncReady"))

		b.stopGwat()
		b.world = good
		b.startGwat(nil)
		d.reaches(fsm.Working)
	})
}

func TestPauseAndResume(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		d := b.start(nil)
		d.reaches(fsm.Working)
		ctx := context.Background()
		require.NoError(t, d.Pause(ctx, "maintenance"))
		require.Equal(t, "paused", d.Snapshot().Stage)
		require.Equal(t, "asked by the operator: maintenance", d.Snapshot().Reason)
		require.NoError(t, d.Pause(ctx, "again"), "a second pause changes nothing")
		require.Equal(t, "paused", d.Snapshot().Stage)
		require.NoError(t, d.Resume(ctx))
		d.reaches(fsm.Working)
		d.stop()
		require.ErrorIs(t, d.Resume(ctx), orders.ErrStopped)
		_, open := <-d.changes
		for open {
			_, open = <-d.changes
		}
	})
}

// The answer to ready is lost: the next attempt takes it over without a second one (S1).
func TestLostReadyIsTakenOver(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		b.gwat.SetFault(once("dag_headSyncReady", gwatsim.Fault{Drop: true}))
		d := b.start(nil)
		d.reaches(fsm.HeadSync)
		d.reaches(fsm.Switching)
		require.Equal(t, "dag_headSync", b.callAfter("dag_headSyncReady"))
		require.Nil(t, b.mustPending())
	})
}

// The answer to the push is lost: what gwat has decides, nothing is pushed again.
func TestLostPushIsProvedAfterwards(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		b.gwat.SetFault(once("dag_headSync", gwatsim.Fault{Drop: true}))
		d := b.start(nil)
		d.reaches(fsm.HeadSync)
		d.reaches(fsm.Switching)
		b.beacon.SetIdle(false)
		d.reaches(fsm.Working)
		require.LessOrEqual(t, b.calls("dag_headSync"), 2)
		require.Nil(t, b.mustPending())
		requireCanonicalOrder(t, b)
	})
}

// Both answers are lost: the push of a takeover is not sent again without a ready.
func TestLostReadyAndLostPush(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		ready, push := once("dag_headSyncReady", gwatsim.Fault{Drop: true}), once("dag_headSync", gwatsim.Fault{Drop: true})
		b.gwat.SetFault(func(m string) gwatsim.Fault {
			if m == "dag_headSync" {
				return push(m)
			}
			return ready(m)
		})
		d := b.start(nil)
		d.reaches(fsm.Switching)
		requireCanonicalOrder(t, b)
	})
}

// gwat refuses every push: it is asked again once an interval, and no faster.
func TestFailingPushIsNotHammered(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		b.gwat.SetFault(func(m string) gwatsim.Fault {
			if m == "dag_headSync" {
				return gwatsim.Fault{Error: "state is broken"}
			}
			return gwatsim.Fault{}
		})
		d := b.start(func(c *Config) { c.ReadyInterval = 500 * time.Millisecond })
		begin := time.Now()
		require.Eventually(t, func() bool { return b.calls("dag_headSync") >= 5 }, soon, 100*time.Millisecond)
		require.GreaterOrEqual(t, time.Since(begin), 2*time.Second)
		require.Contains(t, d.Snapshot().LastError.Message, "state is broken")
	})
}

// A pause between ready and push gives the lock back.
func TestPauseGivesTheLockBack(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		b.gwat.SetFault(once("dag_headSyncReady", gwatsim.Fault{Delay: 500 * time.Millisecond}))
		d := b.start(nil)
		require.Eventually(t, func() bool { return b.mustPending() != nil }, soon, time.Millisecond)
		require.NoError(t, d.Pause(context.Background(), "now"))
		require.Equal(t, "paused", d.Snapshot().Stage)
		require.NoError(t, d.Resume(context.Background()))
		d.reaches(fsm.Switching)
	})
}

// A checkpoint that gwat refuses for a while is asked with again, and nothing
// below the last checkpoint is.
func TestRefusalOfTheMoment(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		var heal atomic.Bool
		b.gwat.SetFault(func(m string) gwatsim.Fault {
			if m == "dag_headSyncReady" && !heal.Load() {
				return gwatsim.Fault{Error: "checkpoint state not found"}
			}
			return gwatsim.Fault{}
		})
		before := b.gwat.State().Finalized
		d := b.start(nil)
		d.eventually("many attempts", func(s *status.Snapshot) bool { return s.Attempts > 12 })
		heal.Store(true)
		d.reaches(fsm.Switching)
		for _, c := range b.gwat.Calls() {
			require.GreaterOrEqual(t, c.After.Finalized, before, "gwat is rolled back by %s", c.Method)
		}
	})
}

// A node that was started from a checkpoint lacks the blocks of older ones.
func TestBeaconWithoutOlderCheckpoints(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, nil)
		fin := b.world.Finality(b.world.HeadAt(b.world.Spec().SlotAt(time.Now())))
		b.beacon.SetFault("/eth/v1/beacon/headers/"+fin.PreviousJustified.Root.Hex(), beaconsim.Fault{Status: 404})
		b.start(nil).reaches(fsm.Working)
	})
}

// A syncd that died between ready and push is followed by one that finishes it.
func TestNextDaemonTakesOverFromTheJournal(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		b.gwat.SetFault(once("dag_headSyncReady", gwatsim.Fault{Hang: true}))
		first := b.start(func(c *Config) { c.ReadyInterval = time.Hour })
		first.eventually("ready was sent", func(*status.Snapshot) bool { return b.mustPending() != nil && b.calls("dag_headSyncReady") == 1 })
		first.stop()
		second := b.start(nil)
		second.reaches(fsm.Switching)
		require.Equal(t, "dag_headSync", b.callAfter("dag_headSyncReady"), "no second ready")
	})
}

// A competing driver holds the lock: syncd watches, and takes over when it is silent (S6).
func TestACompetingDriverIsWatchedAndFollowed(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		client, err := gwatclient.New(gwatclient.Config{Endpoint: gwatURL, Transport: b.gwatHost})
		require.NoError(t, err)
		defer client.Close()
		ok, err := client.Changes(guard.New(false).Permit()).HeadSyncReady(context.Background(), checkpoint.Genesis())
		require.NoError(t, err)
		require.True(t, ok)

		d := b.start(nil)
		d.eventually("a competing driver is shown", func(s *status.Snapshot) bool { return s.CompetingDriver != nil && s.Lock != nil && !s.Lock.Ours })
		require.Contains(t, d.Snapshot().CompetingDriver.Sign, "stage head")
		require.Equal(t, 1, b.calls("dag_headSyncReady"), "only the competing driver's")
		d.reaches(fsm.HeadSync)
		require.Equal(t, 2, b.calls("dag_headSyncReady"))
	})
}

// The built-in driver is on: it and syncd do not fight, and the pair comes to work.
func TestBuiltInDriver(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), fromZero, func(c *beaconsim.Config) { c.SyncSpeed = 20; c.Driver = beaconsim.DriverOn })
		d := b.start(nil)
		d.reaches(fsm.Working)
	})
}

// No beacon calls gwat: syncd completes the switch once, and does not say working.
func TestNoWorkingWithoutTheBeaconsCalls(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		d := b.start(nil)
		d.reaches(fsm.Switching)
		seen := d.reaches(fsm.HeadSyncReady)
		require.NotContains(t, seen, fsm.Working)
		require.Equal(t, 1, b.calls("dag_sync"))
		for _, c := range b.gwat.Calls() {
			require.False(t, c.Method == "dag_sync" && len(c.Infos[0].Finalizing) > 0, "gwat lacks what the heads before finalize: %v", c.Infos)
		}
		b.beacon.SetIdle(false)
		d.reaches(fsm.Working)
	})
}

// gwat stopped at a checkpoint, and the network went on for epochs.
func TestGwatStoppedEpochsAgo(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), func(c *gwatsim.Config) { c.StartSlot = 20 }, idle)
		d := b.start(nil)
		d.reaches(fsm.HeadSync)
		b.beacon.SetIdle(false)
		d.reaches(fsm.Working)
		requireCanonicalOrder(t, b)
	})
}

// The beacon's head does not move while gwat's DAG grows: the pair goes back to
// its own sync, says so, and comes back.
func TestFallback(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, nil), nil, idle)
		d := b.start(func(c *Config) { c.FallbackSlots = 3 })
		d.reaches(fsm.Switching)
		b.beacon.SetFrozenHead(true)
		d.reaches(fsm.CheckpointSync)
		require.Contains(t, d.Snapshot().Waiting, "the beacon side, silent for")
		require.Contains(t, d.Snapshot().Waiting, "gwat goes back to its own sync")
		b.beacon.SetFrozenHead(false)
		b.beacon.SetIdle(false)
		d.reaches(fsm.Working)
	})
}

func TestReorgsOnTheWay(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, func(c *world.Config) { c.ForkRate, c.MaxForkDepth, c.MissRate = 0.3, 3, 0.1 }), fromZero, beaconFromZero)
		d := b.start(nil)
		d.reaches(fsm.Working)
	})
}

// A quiet network brings no spines: answered calls are enough.
func TestQuietNetwork(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, func(c *world.Config) { c.QuietRate = 0.9 }), nil, nil)
		b.start(nil).reaches(fsm.Working)
	})
}

func TestYoungChain(t *testing.T) {
	onBench(t, func(t *testing.T) {
		b := newBench(t, quickWorld(t, func(c *world.Config) { c.GenesisTime = uint64(time.Now().Unix()) - 3 }), nil, nil)
		b.start(nil).reaches(fsm.Working)
	})
}
