package pair

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is how long a test waits for what must come, by the fake clock.
const soon = 60 * time.Second

// The addresses at which the clients of a bench reach its wires.
const gwatURL, beaconURL = "http://127.0.0.1:8545", "http://127.0.0.1:3500"

// onBench runs a test on the fake clock: its pace is that of the daemon's own
// timers, however slow or busy the machine.
func onBench(t *testing.T, test func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// bench is a simulated pair whose daemons the test starts, on the fake clock.
type bench struct {
	t          *testing.T
	world      world.Chain
	gwatHost   *wire.Wire
	beaconHost *wire.Wire
	gwat       *gwatsim.Node
	beacon     *beaconsim.Node
	stopGwat   func()
	stopBeacon func()
	journal    *journal.Journal
}

// quickWorld is a network with slots of a second, some slots old.
func quickWorld(t *testing.T, change func(*world.Config)) world.Chain {
	t.Helper()
	cfg := world.Config{
		Seed: 7, GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8,
		MaxBlocksPerSlot: 3,
	}
	if change != nil {
		change(&cfg)
	}
	w, err := world.New(cfg)
	require.NoError(t, err)
	return w
}

func newBench(t *testing.T, chain world.Chain, gwat func(*gwatsim.Config), beacon func(*beaconsim.Config)) *bench {
	t.Helper()
	b := &bench{t: t, world: chain, gwatHost: &wire.Wire{}, beaconHost: &wire.Wire{}, journal: journal.OpenMemory()}
	b.startGwat(gwat)
	b.startBeacon(beacon)
	t.Cleanup(func() { b.stopGwat(); b.stopBeacon(); b.requireSafety() })
	return b
}

func (b *bench) startGwat(change func(*gwatsim.Config)) {
	b.t.Helper()
	cfg := gwatsim.Config{Chain: b.world, Peers: 3, Lock: 6 * time.Second}
	if change != nil {
		change(&cfg)
	}
	node, err := gwatsim.New(cfg)
	require.NoError(b.t, err)
	b.gwat, b.stopGwat = node, runNode(node.Run)
	b.gwatHost.Serve(node.Handler())
}

func (b *bench) startBeacon(change func(*beaconsim.Config)) {
	b.t.Helper()
	cfg := beaconsim.Config{Chain: b.world, Peers: 3, Gwat: gwatURL, Transport: b.gwatHost, Driver: beaconsim.DriverOff}
	if change != nil {
		change(&cfg)
	}
	node, err := beaconsim.New(cfg)
	require.NoError(b.t, err)
	b.beacon, b.stopBeacon = node, runNode(node.Run)
	b.beaconHost.Serve(node.Handler())
}

func runNode(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run(ctx)
	}()
	return func() { cancel(); <-done }
}

// daemon is a running Pair.
type daemon struct {
	*Pair
	t       *testing.T
	changes <-chan status.Change
	stop    func()
}

func (b *bench) start(change func(*Config)) *daemon {
	b.t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	if testing.Verbose() {
		log.SetOutput(testWriter{b.t})
		log.SetLevel(logrus.DebugLevel)
	}
	cfg := Config{
		Name: "test", Version: "test", Journal: b.journal, Log: log,
		Gwat:   gwatclient.Config{Endpoint: gwatURL, Transport: b.gwatHost},
		Beacon: beaconclient.Config{URL: beaconURL, Transport: b.beaconHost},
		Times:  Times{PollInterval: 200 * time.Millisecond, ReadyInterval: 200 * time.Millisecond, CallTimeout: 2 * time.Second, PushTimeout: 5 * time.Second, LockTime: 6 * time.Second},
	}
	if change != nil {
		change(&cfg)
	}
	p, err := New(cfg)
	require.NoError(b.t, err)
	changes, _ := p.Subscribe()
	d := &daemon{Pair: p, t: b.t, changes: changes, stop: runNode(p.Run)}
	b.t.Cleanup(d.stop)
	return d
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) { w.t.Logf("%s", p); return len(p), nil }

// reaches waits for a stage and gives the stages that were entered on the way.
func (d *daemon) reaches(stage fsm.Stage) []fsm.Stage {
	d.t.Helper()
	var seen []fsm.Stage
	timeout := time.After(soon)
	for {
		select {
		case c, ok := <-d.changes:
			require.True(d.t, ok, "the loop ended on the way to %s, seen %v", stage, seen)
			seen = append(seen, fsm.Stage(c.To))
			if fsm.Stage(c.To) == stage {
				return seen
			}
		case <-timeout:
			s := d.Snapshot()
			require.Failf(d.t, "not reached", "%s after %v; in %s waiting for %q, last error %+v", stage, seen, s.Stage, s.Waiting, s.LastError)
		}
	}
}

// eventually waits until the snapshot is as asked.
func (d *daemon) eventually(what string, ok func(*status.Snapshot) bool) {
	d.t.Helper()
	require.Eventually(d.t, func() bool { return ok(d.Snapshot()) }, soon, 20*time.Millisecond, what)
}

// calls counts the calls of a method that gwat has logged from number from on.
func (b *bench) calls(method string) int {
	n := 0
	for _, c := range b.gwat.Calls() {
		if c.Method == method {
			n++
		}
	}
	return n
}

// callAfter is the first call after one of this method that may change gwat.
func (b *bench) callAfter(method string) string { return callAfter(b.gwat, method) }

func (f *fake) callAfter(method string) string { return callAfter(f.gwat, method) }

func callAfter(gwat *gwatsim.Node, method string) string {
	after := false
	for _, c := range gwat.Calls() {
		if after && (c.Method == "dag_headSyncReady" || c.Method == "dag_headSync") {
			return c.Method
		}
		after = after || c.Method == method
	}
	return ""
}

func quietLog() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

func beaconConfig(url string) beaconclient.Config { return beaconclient.Config{URL: url} }

func (b *bench) mustPending() *checkpoint.Pending {
	p, err := b.journal.Pending()
	require.NoError(b.t, err)
	return p
}

// requireSafety proves from gwat's own log that no push came without a ready
// that had answered true since the push before (S1), and that no two calls that
// change it ran at a time. Calls of the beacon's built-in driver are in it too.
func (b *bench) requireSafety() {
	ready := false
	var end time.Time
	for _, c := range b.gwat.Calls() {
		if c.Method != "dag_headSyncReady" && c.Method != "dag_headSync" {
			continue
		}
		require.False(b.t, c.Begin.Before(end), "%s (%d) began before the call before it had ended", c.Method, c.Seq)
		end = c.End
		if c.Method == "dag_headSyncReady" {
			ready = ready || c.Answer == "true"
			continue
		}
		require.True(b.t, ready, "push %d without a ready", c.Seq)
		ready = false
	}
}

// once is a fault of the first call of a method.
func once(method string, f gwatsim.Fault) func(string) gwatsim.Fault {
	var done atomic.Bool
	return func(m string) gwatsim.Fault {
		if m == method && done.CompareAndSwap(false, true) {
			return f
		}
		return gwatsim.Fault{}
	}
}

// requireCanonicalOrder proves from the simulated nodes alone that gwat
// finalized what the canonical bodies say, in that order.
func requireCanonicalOrder(t *testing.T, b *bench) {
	t.Helper()
	head := b.world.HeadAt(b.world.Spec().SlotAt(time.Now()))
	position := map[common.Hash]int{}
	for i, h := range b.gwat.FinalizedOrder() {
		position[h] = i
	}
	last, checked := -1, 0
	for slot := primitives.Slot(0); slot <= head.Slot; slot++ {
		block, ok := b.world.Ancestor(head, slot)
		if !ok {
			continue
		}
		for _, spine := range block.Finalization {
			at, ok := position[spine]
			if !ok {
				require.GreaterOrEqual(t, slot+3, head.Slot, "spine %s of slot %d is not finalized", spine, slot)
				continue
			}
			require.GreaterOrEqual(t, at, last, "spine %s of slot %d is out of order", spine, slot)
			dag, _ := b.world.DAGBlock(spine)
			require.Equal(t, dag.Height, uint64(at), "number of spine %s of slot %d", spine, slot)
			last = at
			checked++
		}
	}
	require.Positive(t, checked)
}
