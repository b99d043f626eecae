package headsync_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onRig runs a test on the fake clock: time passes where nodes and attempt wait,
// and not while the machine works.
func onRig(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// rig is a simulated pair whose beacon makes no calls, and an attempt's parts.
type rig struct {
	t      *testing.T
	chain  world.Chain
	node   *gwatsim.Node
	gwat   protocol.HeadSync
	beacon *beaconclient.Client
	spec   checkpoint.Spec
	ledger *memory
}

func newRig(t *testing.T, change func(*world.Config), gwat gwatsim.Config) *rig {
	t.Helper()
	cfg := world.Config{
		Seed: 12, GenesisTime: uint64(time.Now().Unix()) - 400, SecondsPerSlot: 4, SlotsPerEpoch: 8,
		MaxBlocksPerSlot: 4, Validators: 256, CommitteesPerSlot: 2, MissRate: 0.1,
	}
	if change != nil {
		change(&cfg)
	}
	chain, err := world.New(cfg)
	require.NoError(t, err)
	r := &rig{t: t, chain: chain, ledger: &memory{}}
	gwat.Chain, gwat.Peers = chain, 1
	r.node, err = gwatsim.New(gwat)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.node.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	beacon, err := beaconsim.New(beaconsim.Config{Chain: chain, Peers: 1, IdleWork: true})
	require.NoError(t, err)
	toGwat, toBeacon := &wire.Wire{}, &wire.Wire{}
	toGwat.Serve(r.node.Handler())
	toBeacon.Serve(beacon.Handler())
	r.gwat.Client, err = gwatclient.New(gwatclient.Config{Endpoint: "http://127.0.0.1:8545", Transport: toGwat})
	require.NoError(t, err)
	t.Cleanup(r.gwat.Close)
	r.beacon, err = beaconclient.New(beaconclient.Config{URL: "http://127.0.0.1:3500", Transport: toBeacon})
	require.NoError(t, err)
	t.Cleanup(r.beacon.Close)
	r.spec, err = r.beacon.Spec(ctx)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s := r.node.State()
		return s.Stage != gwatsim.StageDAG && s.DAGSlot+1 >= r.spec.SlotAt(time.Now())
	}, 10*time.Second, 5*time.Millisecond, "gwat's own sync")
	return r
}

// changes are the calls that change gwat.
func (r *rig) changes() gwatclient.Changes { return r.gwat.Changes(guard.New(false).Permit()) }

func (r *rig) driver() headsync.Driver { return r.gwat.Driver(guard.New(false).Permit()) }

func (r *rig) attempt() *headsync.Attempt {
	return &headsync.Attempt{
		Number: 1, Spec: r.spec, Now: time.Now, Limits: headsync.Limits{Hard: 5 * time.Second}, Report: func(headsync.Report) {},
		Nodes:  headsync.Nodes{Beacon: r.beacon, Collector: headsync.NewCollector(r.beacon, r.spec), Gwat: r.gwat, Driver: r.driver(), Ledger: r.ledger},
		Orders: headsync.Orders{Inhibit: func() string { return "" }, Refused: map[common.Hash]bool{}},
	}
}

func (r *rig) run(a *headsync.Attempt) (headsync.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return a.Run(ctx)
}

func (r *rig) calls(method string) int {
	n := 0
	for _, c := range r.node.Calls() {
		if c.Method == method {
			n++
		}
	}
	return n
}

// requireCanonical proves from the simulated gwat that every canonical spine up
// to slot is where the order rule, applied here from the spec, puts it.
func (r *rig) requireCanonical(upTo primitives.Slot) {
	r.t.Helper()
	require.Equal(r.t, -1, r.wrongNumber(upTo), "the first number at which gwat has another block")
}

// wrongNumber is the first number at which gwat does not have the block that
// the canonical spines up to a slot put there; -1 if there is none.
func (r *rig) wrongNumber(upTo primitives.Slot) int {
	head := r.chain.HeadAt(r.spec.SlotAt(time.Now()))
	var spines []common.Hash
	for slot := primitives.Slot(0); slot <= upTo; slot++ {
		if b, ok := r.chain.Ancestor(head, slot); ok {
			spines = append(spines, b.Finalization...)
		}
	}
	got := r.node.FinalizedOrder()
	for number, want := range finalizeInOrder(r.t, r.chain, spines) {
		if number >= len(got) || got[number] != want {
			return number
		}
	}
	return -1
}

// memory is a ledger that can be asked.
type memory struct {
	mu        sync.Mutex
	pending   *checkpoint.Pending
	sent      []string
	confirmed *checkpoint.Confirmed
	slow      time.Duration
}

func (m *memory) SetPending(p checkpoint.Pending) {
	time.Sleep(m.slow)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending, m.sent = &p, append(m.sent, p.Call)
}
func (m *memory) ClearPending() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = nil
}
func (m *memory) SetConfirmed(c checkpoint.Confirmed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.confirmed = &c
}

func TestAttemptOnADAGWithForks(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { c.ForkRate, c.MaxForkDepth = 0.2, 3 }, gwatsim.Config{})
		var mu sync.Mutex
		var phases []headsync.Phase
		a := r.attempt()
		a.Report = func(rep headsync.Report) {
			mu.Lock()
			defer mu.Unlock()
			if len(phases) == 0 || phases[len(phases)-1] != rep.Phase {
				phases = append(phases, rep.Phase)
			}
		}
		result, err := r.run(a)
		require.NoError(t, err)
		require.Equal(t, []headsync.Phase{"collecting", "proving", "ready", "pushing", "confirming"}, phases)
		require.Equal(t, []string{"ready", "push"}, r.ledger.sent)
		require.Nil(t, r.ledger.pending)
		require.Equal(t, *result.Confirmed, *r.ledger.confirmed)
		r.requireCanonical(result.Confirmed.Slot)

		again, err := r.run(r.attempt())
		require.NoError(t, err)
		require.True(t, again.Synced || again.Head.Slot > result.Head.Slot, "nothing is left to do")
	})
}

// gwat finalized the right blocks in one go, as a beacon that hammers after a
// gap makes it; only where the order came out right is it left as it is.
func TestAttemptRepairsAWrongOrder(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { c.ForkRate, c.MissRate = 0, 0 }, gwatsim.Config{StartSlot: 88})
		head := r.chain.HeadAt(r.spec.SlotAt(time.Now()))
		late, ok := r.chain.Ancestor(head, head.Slot-2)
		require.True(t, ok)
		require.NoError(t, r.changes().Finalize(context.Background(), late.Finalization))
		require.NotEqual(t, -1, r.wrongNumber(late.Slot), "this network does not show the case")
		result, err := r.run(r.attempt())
		require.NoError(t, err)
		require.False(t, result.Synced)
		r.requireCanonical(result.Confirmed.Slot)
	})
}

func TestAttemptBeginsWhereGwatStands(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{StartSlot: 20}) // the last checkpoint is some 80 slots later
		result, err := r.run(r.attempt())
		require.NoError(t, err)
		r.requireCanonical(result.Confirmed.Slot)
	})
}

func TestAttemptFromGenesis(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { c.GenesisTime = uint64(time.Now().Unix()) - 60 }, gwatsim.Config{})
		result, err := r.run(r.attempt())
		require.NoError(t, err)
		r.requireCanonical(result.Confirmed.Slot)
	})
}

func TestAttemptWaitsForMissingBlocks(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		r.node.DropDAG(r.spec.SlotAt(time.Now())-8, time.Hour)
		_, err := r.run(r.attempt())
		var missing *headsync.MissingSpine
		require.ErrorAs(t, err, &missing)
		require.Zero(t, r.calls("dag_headSyncReady"), "a ready that could only waste the lock is not sent")
	})
}

func TestReadOnlyAttemptSendsNothing(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		a := r.attempt()
		a.Inhibit = func() string { return "only looking" }
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrWriteInhibited)
		require.ErrorContains(t, err, "only looking")
		require.Zero(t, r.calls("dag_headSyncReady"))
	})
}

func TestAttemptDoesNotAskABusyGwat(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		ok, err := r.changes().HeadSyncReady(context.Background(), checkpoint.Genesis())
		require.NoError(t, err)
		require.True(t, ok)
		_, err = r.run(r.attempt())
		require.ErrorIs(t, err, protocol.ErrLockHeld)
		require.Equal(t, 1, r.calls("dag_headSyncReady"))
	})
}

func TestTakeoverNeedsNoSecondReady(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		fin, err := r.beacon.Finality(context.Background(), beaconclient.StateHead)
		require.NoError(t, err)
		block, ok := r.chain.Block(fin.CurrentJustified.Root)
		require.True(t, ok)
		require.NotEmpty(t, block.Finalization)
		cp := checkpoint.ConsensusInfo{Slot: block.Slot, Finalizing: block.Finalization}
		accepted, err := r.changes().HeadSyncReady(context.Background(), cp)
		require.NoError(t, err)
		require.True(t, accepted)
		a := r.attempt()
		a.Takeover = &checkpoint.Pending{Call: "ready", Slot: block.Slot, Root: block.Root, Spine: block.Finalization[len(block.Finalization)-1]}
		result, err := r.run(a)
		require.NoError(t, err)
		require.Equal(t, 1, r.calls("dag_headSyncReady"))
		r.requireCanonical(result.Confirmed.Slot)
	})
}

// chainAt answers the head that the test sets.
type chainAt struct {
	*beaconclient.Client
	heads []func() (beaconclient.Header, error) // one for each question; the last one stays
	asked int
}

func (c *chainAt) Header(ctx context.Context, id beaconclient.BlockID) (beaconclient.Header, error) {
	if id != beaconclient.Head {
		return c.Client.Header(ctx, id)
	}
	f := c.heads[min(c.asked, len(c.heads)-1)]
	c.asked++
	return f()
}

// The beacon leaves the chain between ready and push: the shared part is pushed,
// nothing of the left one, and the lock is free.
func TestReorgBetweenReadyAndPush(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { c.ForkRate, c.MissRate = 0, 0; c.Reorgs = []world.Reorg{{Slot: 90, Depth: 3}} }, gwatsim.Config{StartSlot: 70})
		left, stays := r.chain.HeadAt(89), r.chain.HeadAt(90)
		header := func(b *world.BeaconBlock) func() (beaconclient.Header, error) {
			return func() (beaconclient.Header, error) {
				return beaconclient.Header{Root: b.Root, ParentRoot: b.ParentRoot, Slot: b.Slot}, nil
			}
		}
		a := r.attempt()
		a.Beacon = &chainAt{Client: r.beacon, heads: []func() (beaconclient.Header, error){header(left), header(stays)}}
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrReorg)
		require.Equal(t, "restart_attempt", failure.Name(err))
		require.Equal(t, 1, r.calls("dag_headSync"))
		require.True(t, r.node.State().LockedUntil.IsZero(), "the lock is free")
		for _, c := range r.node.Calls() {
			for _, info := range c.Infos {
				b, ok := r.chain.Ancestor(stays, info.Slot)
				require.True(t, ok, "slot %d of the left branch was pushed", info.Slot)
				require.Equal(t, len(b.Finalization), len(info.Finalizing))
			}
		}
	})
}

// No head answer after ready: nothing may be pushed, and the lock is given back.
func TestNoHeadBeforeThePush(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		head := r.chain.HeadAt(r.spec.SlotAt(time.Now()))
		gone := errors.New("the beacon is gone")
		a := r.attempt()
		a.Beacon = &chainAt{Client: r.beacon, heads: []func() (beaconclient.Header, error){
			func() (beaconclient.Header, error) {
				return beaconclient.Header{Root: head.Root, ParentRoot: head.ParentRoot, Slot: head.Slot}, nil
			},
			func() (beaconclient.Header, error) { return beaconclient.Header{}, gone },
		}}
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrHeadUnknown)
		require.ErrorIs(t, err, gone)
		require.True(t, r.node.State().LockedUntil.IsZero(), "the lock is free")
		require.Nil(t, r.ledger.pending)
	})
}

// A slow disk comes before the head's answer, not between it and the push (S3).
func TestSlowDiskDelaysAndStopsNothing(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		r.ledger.slow = 1100 * time.Millisecond
		result, err := r.run(r.attempt())
		require.NoError(t, err)
		r.requireCanonical(result.Confirmed.Slot)
	})
}

func TestAnswersOfGwat(t *testing.T) {
	answer := func(err error) func() error { return func() error { return err } }
	for name, tc := range map[string]struct {
		ready, push func() error
		want        error
		kind        string
		open        bool // the call may still be carried out
	}{
		"ready is false":              {ready: answer(protocol.ErrRefused), want: protocol.ErrRefused, kind: "retry_later"},
		"ready is locked":             {ready: answer(failure.WithKind(failure.RetryLater, gwatclient.ErrLocked)), want: gwatclient.ErrLocked, kind: "retry_later"},
		"ready is lost":               {ready: answer(gwatclient.ErrLost), want: gwatclient.ErrLost, kind: "retry_later", open: true},
		"ready was never sent":        {ready: answer(gwatclient.ErrDown), want: gwatclient.ErrDown, kind: "retry_later"},
		"ready was not sent in time":  {ready: answer(fmt.Errorf("%w: %w", gwatclient.ErrDown, context.DeadlineExceeded)), want: gwatclient.ErrDown, kind: "retry_later"},
		"push is false":               {push: answer(failure.WithKind(failure.Abort, protocol.ErrRefused)), want: protocol.ErrRefused, kind: "restart_attempt"},
		"push is lost":                {push: answer(gwatclient.ErrLost), want: gwatclient.ErrLost, kind: "retry_later", open: true},
		"push finds a spine absent":   {push: answer(protocol.ErrIncomplete), want: protocol.ErrIncomplete, kind: "retry_later"},
		"push says true, did nothing": {push: answer(nil), want: headsync.ErrNotConfirmed, kind: "restart_attempt"},
	} {
		t.Run(name, func(t *testing.T) {
			onRig(t, func(t *testing.T) {
				r := newRig(t, nil, gwatsim.Config{Lock: time.Second})
				a := r.attempt()
				a.Driver = driver{Driver: r.driver(), ready: tc.ready, push: tc.push}
				_, err := r.run(a)
				require.ErrorIs(t, err, tc.want)
				require.Equal(t, tc.kind, failure.Name(err))
				require.Equal(t, tc.open, r.ledger.pending != nil)
				require.Nil(t, r.ledger.confirmed)
			})
		})
	}
}
