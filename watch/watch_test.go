package watch

import (
	"context"
	"math/big"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/orders"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePair is a pair of the coordinated era whose beacon node drives gwat with each
// new head. Its fields are what goes wrong.
type fakePair struct {
	mu      sync.Mutex
	spec    checkpoint.Spec
	chainID uint64

	gwatDown, beaconDown bool
	syncing              bool // eth_syncing is not false
	loading              bool // gwat answers "synchronization"
	stuck                bool // the beacon node's calls change nothing
	peers                uint64
	foreign              bool // gwat's checkpoint is not the beacon's
	initialSync          bool
	stateless            bool            // the beacon node cannot read the state of its head
	lag                  primitives.Slot // of the head

	hangs chan struct{} // gwat answers when it is closed; nil: at once

	final primitives.Slot // the head that gwat has followed last
}

const genesisTime = 946684800 // the fake clock begins here

func newFakePair() *fakePair {
	return &fakePair{
		spec:    checkpoint.Spec{SlotsPerEpoch: 8, SecondsPerSlot: 2, DepositChainID: 1337, GenesisTime: genesisTime - 2*400},
		chainID: 1337, peers: 2,
	}
}

func (f *fakePair) set(change func(*fakePair)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// head returns the beacon's head, and lets gwat follow it.
func (f *fakePair) head() primitives.Slot {
	head := f.spec.SlotAt(time.Now()) - f.lag
	if !f.stuck && !f.gwatDown && !f.beaconDown && !f.loading && !f.initialSync {
		f.final = max(f.final, head)
	}
	return head
}

func spineOf(slot primitives.Slot) common.Hash {
	return common.BigToHash(big.NewInt(int64(slot) + 1))
}

type fakeGwat struct{ *fakePair }

var errDown = failure.WithKind(failure.RetryLater, gwatclient.ErrDown)

func (g fakeGwat) ask() (func(), error) {
	g.mu.Lock()
	if hangs := g.hangs; hangs != nil {
		g.mu.Unlock()
		<-hangs
		g.mu.Lock()
	}
	if g.gwatDown {
		g.mu.Unlock()
		return nil, errDown
	}
	g.head()
	return g.mu.Unlock, nil
}

func ask[T any](ask func() (func(), error), value func() (T, error)) (T, error) {
	unlock, err := ask()
	if err != nil {
		var none T
		return none, err
	}
	defer unlock()
	return value()
}

func (g fakeGwat) Endpoint() string { return "/run/gwat.ipc" }
func (g fakeGwat) ChainID(context.Context) (uint64, error) {
	return ask(g.ask, func() (uint64, error) { return g.chainID, nil })
}
func (g fakeGwat) ClientVersion(context.Context) (string, error) {
	return ask(g.ask, func() (string, error) { return "gwat/v0.7", nil })
}
func (g fakeGwat) PeerCount(context.Context) (uint64, error) {
	return ask(g.ask, func() (uint64, error) { return g.peers, nil })
}
func (g fakeGwat) Latest(context.Context) (*gwatclient.Block, error) {
	return ask(g.ask, func() (*gwatclient.Block, error) {
		number := uint64(g.final)
		return &gwatclient.Block{Hash: spineOf(g.final), Number: &number, Slot: g.final}, nil
	})
}
func (g fakeGwat) BlockByHash(_ context.Context, hash common.Hash) (*gwatclient.Block, error) {
	return ask(g.ask, func() (*gwatclient.Block, error) {
		slot := hash.Big().Uint64() - 1
		b := &gwatclient.Block{Hash: hash, Slot: primitives.Slot(slot)}
		if primitives.Slot(slot) <= g.final {
			b.Number = &slot
		}
		return b, nil
	})
}
func (g fakeGwat) State(context.Context) (protocol.State, error) {
	return ask(g.ask, func() (protocol.State, error) {
		if g.loading {
			return protocol.State{Syncing: true, Activity: protocol.LoadingChain}, nil
		}
		root := common.Hash{1}
		if g.foreign {
			root = common.Hash{2}
		}
		return protocol.State{Syncing: g.syncing, Mark: &protocol.Mark{LastFinalized: spineOf(g.final), Epoch: g.spec.Epoch(g.final), Root: root}}, nil
	})
}
func (g fakeGwat) Peers(context.Context) ([]gwatclient.Peer, error) {
	return ask(g.ask, func() ([]gwatclient.Peer, error) { return nil, nil })
}
func (g fakeGwat) WatInfo(context.Context) (gwatclient.WatInfo, error) {
	return ask(g.ask, func() (gwatclient.WatInfo, error) {
		return gwatclient.WatInfo{Current: g.spec.SlotAt(time.Now()), DAG: g.final}, nil
	})
}

type fakeBeacon struct{ *fakePair }

func (b fakeBeacon) ask() (func(), error) {
	b.mu.Lock()
	if b.beaconDown {
		b.mu.Unlock()
		return nil, failure.WithKind(failure.RetryLater, beaconclient.ErrDown)
	}
	return b.mu.Unlock, nil
}

func (b fakeBeacon) URL() string { return "http://127.0.0.1:3500" }
func (b fakeBeacon) Spec(context.Context) (checkpoint.Spec, error) {
	return ask(b.ask, func() (checkpoint.Spec, error) { return b.spec, nil })
}
func (b fakeBeacon) Version(context.Context) (string, error) {
	return ask(b.ask, func() (string, error) { return "Prysm", nil })
}
func (b fakeBeacon) PeerCount(context.Context) (uint64, error) {
	return ask(b.ask, func() (uint64, error) { return 3, nil })
}
func (b fakeBeacon) Syncing(context.Context) (beaconclient.Syncing, error) {
	return ask(b.ask, func() (beaconclient.Syncing, error) {
		return beaconclient.Syncing{HeadSlot: b.head(), Distance: uint64(b.lag), IsSyncing: b.initialSync}, nil
	})
}
func (b fakeBeacon) Header(_ context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	return ask(b.ask, func() (beaconclient.Header, error) {
		switch id {
		case beaconclient.Head:
			head := b.head()
			return beaconclient.Header{Root: spineOf(head), Slot: head, Canonical: true}, nil
		case beaconclient.AtRoot(common.Hash{1}):
			return beaconclient.Header{Root: common.Hash{1}}, nil
		}
		return beaconclient.Header{}, failure.WithKind(failure.RetryNow, beaconclient.ErrNotFound)
	})
}
func (b fakeBeacon) Finality(context.Context, beaconclient.StateID) (beaconclient.Finality, error) {
	return ask(b.ask, func() (beaconclient.Finality, error) {
		if b.stateless {
			return beaconclient.Finality{}, failure.WithKind(failure.RetryLater, beaconclient.ErrStarting)
		}
		epoch := b.spec.Epoch(b.head())
		return beaconclient.Finality{
			CurrentJustified: checkpoint.Checkpoint{Epoch: max(epoch, 2) - 2, Root: common.Hash{1}},
			Finalized:        checkpoint.Checkpoint{Epoch: max(epoch, 3) - 3, Root: common.Hash{3}},
		}, nil
	})
}
func (b fakeBeacon) SpineData(context.Context, beaconclient.StateID) (beaconclient.SpineData, error) {
	return ask(b.ask, func() (beaconclient.SpineData, error) {
		if b.stateless {
			return beaconclient.SpineData{}, failure.WithKind(failure.RetryLater, beaconclient.ErrStarting)
		}
		return beaconclient.SpineData{Finalization: []common.Hash{spineOf(b.head())}}, nil
	})
}
func (b fakeBeacon) Operations(context.Context, beaconclient.StateID, primitives.Epoch) ([]beaconclient.Operation, error) {
	return nil, nil
}
func (b fakeBeacon) Events(ctx context.Context, _ beaconclient.StreamOptions) <-chan beaconclient.Event {
	ch := make(chan beaconclient.Event)
	go func() { <-ctx.Done(); close(ch) }()
	return ch
}

// inFakeTime runs a watcher of a fake pair.
func inFakeTime(t *testing.T, prepare func(*fakePair), test func(t *testing.T, f *fakePair, w *Watcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakePair()
		if prepare != nil {
			prepare(f)
		}
		w, err := New(config(f))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		test(t, f, w)
		cancel()
		require.NoError(t, <-done)
	})
}

func config(f *fakePair) Config {
	log, _ := test.NewNullLogger()
	return Config{
		Name: "main", Version: "test", Gwat: fakeGwat{f}, Beacon: fakeBeacon{f},
		PollInterval: time.Second, CallTimeout: time.Second, Journal: journal.OpenMemory(), Log: log,
	}
}

// within waits until the snapshot is as it must be and returns how long that took.
func within(t *testing.T, w *Watcher, limit time.Duration, what string, is func(*status.Snapshot) bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) <= limit {
		if is(w.Snapshot()) {
			return time.Since(begin)
		}
		time.Sleep(250 * time.Millisecond) // of the fake clock
	}
	s := w.Snapshot()
	require.Fail(t, "not within "+limit.String()+": "+what, "stage %s, waiting for %s, findings %v", s.Stage, s.Waiting, s.Findings)
	return 0
}

func inStage(stage fsm.Stage) func(*status.Snapshot) bool {
	return func(s *status.Snapshot) bool { return s.Stage == string(stage) }
}

func hasFinding(name string) func(*status.Snapshot) bool {
	return func(s *status.Snapshot) bool {
		for _, f := range s.Findings {
			if f.Name == name {
				return true
			}
		}
		return false
	}
}

// A healthy pair is verified over two new heads, and stays working.
func TestHealthyPairIsVerified(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		took := within(t, w, 12*time.Second, "working", inStage(fsm.Working))
		require.Greater(t, took, 3*time.Second, "two new heads take longer than a slot")
		s := w.Snapshot()
		require.Equal(t, status.VerdictWorking, s.Verdict)
		require.Equal(t, "coordinated", s.Era)
		require.EqualValues(t, 1337, s.Network.ChainID)
		require.Empty(t, s.Findings)
		for range 600 {
			time.Sleep(time.Second)
			require.Equal(t, string(fsm.Working), w.Snapshot().Stage)
			require.Empty(t, w.Snapshot().Findings)
		}
		history, err := w.History(t.Context(), 10)
		require.NoError(t, err)
		stages := []string{}
		for _, c := range history {
			stages = append([]string{c.To}, stages...)
		}
		require.Equal(t, []string{"checkpoint_sync", "dag_sync", "head_sync_ready", "switching", "working"}, stages)
	})
}

// A pair that syncs from nothing goes through the stages as the nodes show them.
func TestStagesOfAFirstSync(t *testing.T) {
	inFakeTime(t, func(f *fakePair) { f.initialSync, f.lag, f.syncing, f.loading = true, 390, true, true }, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 3*time.Second, "checkpoint_sync", inStage(fsm.CheckpointSync))
		require.Contains(t, w.Snapshot().Waiting, "initial sync")
		f.set(func(f *fakePair) { f.initialSync, f.lag = false, 0 })
		time.Sleep(2 * time.Second)
		require.Contains(t, w.Snapshot().Waiting, "gwat to load the finalized chain")
		f.set(func(f *fakePair) { f.loading = false })
		within(t, w, 3*time.Second, "head_sync", inStage(fsm.HeadSync))
		require.Contains(t, w.Snapshot().Waiting, "eth_syncing is not false")
		f.set(func(f *fakePair) { f.syncing = false })
		within(t, w, 10*time.Second, "working", inStage(fsm.Working))
	})
}

// Each call of the beacon node may have gwat load for a moment. That takes the pair back to no
// earlier stage: gwat was driven as far as before.
func TestAMomentOfLoadingKeepsTheStage(t *testing.T) {
	inFakeTime(t, func(f *fakePair) { f.syncing = true }, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 3*time.Second, "head_sync", inStage(fsm.HeadSync))
		for range 5 {
			f.set(func(f *fakePair) { f.loading = true })
			time.Sleep(2 * time.Second)
			f.set(func(f *fakePair) { f.loading = false })
			time.Sleep(2 * time.Second)
			require.Equal(t, string(fsm.HeadSync), w.Snapshot().Stage)
		}
		f.set(func(f *fakePair) { f.syncing = false })
		within(t, w, 3*time.Second, "switching", inStage(fsm.Switching))
		f.set(func(f *fakePair) { f.loading = true })
		time.Sleep(2 * time.Second)
		require.Equal(t, string(fsm.Switching), w.Snapshot().Stage)
		f.set(func(f *fakePair) { f.loading = false })
		within(t, w, 20*time.Second, "working", inStage(fsm.Working))
		history, err := w.History(t.Context(), 20)
		require.NoError(t, err)
		stages := []string{}
		for _, c := range history {
			stages = append([]string{c.To}, stages...)
		}
		require.Equal(t, []string{"checkpoint_sync", "dag_sync", "head_sync_ready", "head_sync", "switching", "working"}, stages)
	})
}

// A gwat that loads after an outage may have been restarted: how far the one before was driven
// does not count.
func TestAGwatThatLoadsAfterAnOutageBeginsAgain(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 12*time.Second, "working", inStage(fsm.Working))
		f.set(func(f *fakePair) { f.gwatDown = true })
		within(t, w, 4*time.Second, "connecting", inStage(fsm.Connecting))
		f.set(func(f *fakePair) { f.gwatDown, f.loading = false, true })
		within(t, w, 3*time.Second, "checkpoint_sync", inStage(fsm.CheckpointSync))
		require.Contains(t, w.Snapshot().Waiting, "gwat to load the finalized chain")
	})
}

// Before genesis nothing is wrong with a pair in which no call is made: it waits for genesis.
func TestBeforeGenesisThePairWaits(t *testing.T) {
	inFakeTime(t, func(f *fakePair) { f.spec.GenesisTime, f.syncing = genesisTime+60, true }, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 3*time.Second, "head_sync", inStage(fsm.HeadSync))
		for range 50 {
			time.Sleep(time.Second)
			require.Contains(t, w.Snapshot().Waiting, "genesis at 2000-01-01T00:01:00Z")
			require.Empty(t, w.Snapshot().Findings)
		}
		f.set(func(f *fakePair) { f.syncing = false })
		within(t, w, 30*time.Second, "working", inStage(fsm.Working))
	})
}

// "working" is taken back within two polls when gwat is gone, stops to follow, or leaves
// normal work, and comes back when it holds again.
func TestWorkingIsTakenBack(t *testing.T) {
	for name, tc := range map[string]struct {
		fault, heal func(*fakePair)
		within      time.Duration
	}{
		"gwat gone":      {func(f *fakePair) { f.gwatDown = true }, func(f *fakePair) { f.gwatDown = false }, 3 * time.Second},
		"beacon gone":    {func(f *fakePair) { f.beaconDown = true }, func(f *fakePair) { f.beaconDown = false }, 3 * time.Second},
		"not in work":    {func(f *fakePair) { f.syncing = true }, func(f *fakePair) { f.syncing = false }, 2 * time.Second},
		"calls are lost": {func(f *fakePair) { f.stuck = true }, func(f *fakePair) { f.stuck = false }, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
				within(t, w, 12*time.Second, "working", inStage(fsm.Working))
				f.set(tc.fault)
				within(t, w, tc.within, "not working", func(s *status.Snapshot) bool { return s.Stage != string(fsm.Working) })
				time.Sleep(20 * time.Second)
				require.NotEqual(t, string(fsm.Working), w.Snapshot().Stage)
				f.set(tc.heal)
				within(t, w, 30*time.Second, "working again", inStage(fsm.Working))
			})
		})
	}
}

// One poll without an answer does not take "working" away.
func TestOneLostPollKeepsWorking(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 12*time.Second, "working", inStage(fsm.Working))
		at := w.Snapshot().Seq
		f.set(func(f *fakePair) { f.gwatDown = true })
		within(t, w, 2*time.Second, "a poll without gwat", func(s *status.Snapshot) bool { return s.Seq > at && !s.Gwat.Reachable })
		require.Equal(t, string(fsm.Working), w.Snapshot().Stage)
		require.Nil(t, w.Snapshot().Gwat.Peers, "a node that is gone has no number of peers")
		require.NotNil(t, w.Snapshot().Gwat.LastKnown)
		require.Nil(t, w.Snapshot().Gwat.LatencyMS)
		f.set(func(f *fakePair) { f.gwatDown = false })
		for range 10 {
			time.Sleep(time.Second)
			require.Equal(t, string(fsm.Working), w.Snapshot().Stage)
		}
	})
}

// A real beacon node whose processing of a block was cut off lacks the state of its head until the
// next one. It has not just started, and the pair goes on to work.
func TestAHeadWithoutAStateKeepsWorking(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 12*time.Second, "working", inStage(fsm.Working))
		f.set(func(f *fakePair) { f.stateless = true })
		for range 4 {
			time.Sleep(time.Second)
			require.Equal(t, string(fsm.Working), w.Snapshot().Stage)
			require.True(t, w.Snapshot().Beacon.Reachable)
		}
		f.set(func(f *fakePair) { f.stateless = false })
		for range 10 {
			time.Sleep(time.Second)
			require.Equal(t, string(fsm.Working), w.Snapshot().Stage)
		}
		f.set(func(f *fakePair) { f.stateless = true })
		within(t, w, 12*time.Second, "no answer any more", func(s *status.Snapshot) bool { return !s.Beacon.Reachable })
	})
}

// What a beacon node said before it was away says nothing of the one that starts after it.
func TestABeaconThatStartsHasNoFinality(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 12*time.Second, "working", inStage(fsm.Working))
		f.set(func(f *fakePair) { f.beaconDown = true })
		within(t, w, 4*time.Second, "connecting", inStage(fsm.Connecting))
		f.set(func(f *fakePair) { f.beaconDown, f.stateless = false, true })
		for range 5 {
			time.Sleep(time.Second)
			require.Equal(t, string(fsm.Connecting), w.Snapshot().Stage)
		}
		require.Contains(t, w.Snapshot().Waiting, "as after its start")
	})
}

// A node that is down does not take the clock with it, and how far it is behind grows.
func TestTheClockGoesOnWithoutANode(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 12*time.Second, "working", inStage(fsm.Working))
		f.set(func(f *fakePair) { f.gwatDown = true })
		within(t, w, 10*time.Second, "gwat is down", func(s *status.Snapshot) bool { return !s.Gwat.Reachable })
		before := w.Snapshot()
		time.Sleep(20 * time.Second)
		s := w.Snapshot()
		passed := uint64(s.Network.CurrentSlot - before.Network.CurrentSlot)
		require.Positive(t, passed)
		require.Equal(t, *before.Gwat.LagSlots+passed, *s.Gwat.LagSlots)
		require.Equal(t, before.Gwat.LastKnown, s.Gwat.LastKnown)
		require.Nil(t, s.Gwat.Slot)
		require.Nil(t, s.Gwat.Finalized)
		require.Nil(t, s.Gwat.Progress)
		require.NotNil(t, s.Beacon.Slot)
	})
}

func TestFindingsReachTheSnapshot(t *testing.T) {
	for name, fault := range map[string]func(*fakePair){
		"foreign_checkpoint": func(f *fakePair) { f.foreign = true },
		"no_peers_loop":      func(f *fakePair) { f.stuck, f.syncing, f.peers = true, true, 0 },
		"gwat_wedged":        func(f *fakePair) { f.stuck = true },
		"gwat_unreachable":   func(f *fakePair) { f.gwatDown = true },
		"wrong_network":      func(f *fakePair) { f.chainID = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
				within(t, w, 12*time.Second, "working", inStage(fsm.Working))
				f.set(fault)
				within(t, w, 40*time.Second, name, hasFinding(name))
				require.Contains(t, []string{status.VerdictFailing, status.VerdictHalted}, w.Snapshot().Verdict)
			})
		})
	}
}

// Nodes of two eras are no pair.
func TestTwoErasHalt(t *testing.T) {
	inFakeTime(t, func(f *fakePair) { f.spec.CreatorsPerSlot = 4 }, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 3*time.Second, "halted", inStage(fsm.Halted))
		require.Contains(t, w.Snapshot().Reason, "two eras")
	})
}

func TestOrders(t *testing.T) {
	inFakeTime(t, nil, func(t *testing.T, f *fakePair, w *Watcher) {
		within(t, w, 12*time.Second, "working", inStage(fsm.Working))
		require.NoError(t, w.Pause(t.Context(), "maintenance"))
		require.Equal(t, string(fsm.Paused), w.Snapshot().Stage)
		pause, err := w.cfg.Journal.Pause()
		require.NoError(t, err)
		require.Equal(t, "maintenance", pause.Reason, "a pause is kept over a restart")
		was := w.Snapshot().Seq
		require.NoError(t, w.Pause(t.Context(), "a longer one"))
		require.Greater(t, w.Snapshot().Seq, was, "what an order changed is published before it is answered")
		require.ErrorIs(t, w.Resync(t.Context(), status.Resync{}), ErrBeaconDrives)
		require.NoError(t, w.Resume(t.Context()))
		within(t, w, 12*time.Second, "working again", inStage(fsm.Working))
	})
}

func TestOrdersAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(config(newFakePair()))
		require.NoError(t, err)
		changes, _ := w.Subscribe()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, w.Run(ctx))
		require.ErrorIs(t, w.Pause(t.Context(), ""), orders.ErrStopped)
		for range changes { // closed at the end
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"gwat":          func(c *Config) { c.Gwat = nil },
		"beacon node":   func(c *Config) { c.Beacon = nil },
		"journal":       func(c *Config) { c.Journal = nil },
		"logger":        func(c *Config) { c.Log = nil },
		"poll interval": func(c *Config) { c.PollInterval = 0 },
		"call timeout":  func(c *Config) { c.CallTimeout = -1 },
	} {
		cfg := config(newFakePair())
		spoil(&cfg)
		_, err := New(cfg)
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorIs(t, err, failure.NeedsHuman)
		require.ErrorContains(t, err, name)
	}
}
