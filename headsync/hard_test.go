package headsync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/protocol"
)

// accepted makes gwat ready at a block, as an attempt did whose answer was lost.
func (r *rig) accepted(b *world.BeaconBlock) *checkpoint.Pending {
	r.t.Helper()
	ok, err := r.changes().HeadSyncReady(context.Background(), checkpoint.ConsensusInfo{Slot: b.Slot, Finalizing: b.Finalization})
	require.NoError(r.t, err)
	require.True(r.t, ok)
	return &checkpoint.Pending{Call: checkpoint.CallReady, Slot: b.Slot, Root: b.Root, Spine: b.Finalization[len(b.Finalization)-1]}
}

func (r *rig) justified() *world.BeaconBlock {
	r.t.Helper()
	fin, err := r.beacon.Finality(context.Background(), beaconclient.StateHead)
	require.NoError(r.t, err)
	b, ok := r.chain.Block(fin.CurrentJustified.Root)
	require.True(r.t, ok)
	return b
}

func (r *rig) requireUnlocked() {
	r.t.Helper()
	require.True(r.t, r.node.State().LockedUntil.IsZero(), "the lock is left behind")
}

// What comes before a missing spine is pushed by the ready in force, and each
// further push has a ready of its own (S1).
func TestTakeoverWithASpineMissingOnTheWay(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, longStall, gwatsim.Config{})
		block := r.justified()
		a := r.attempt()
		a.Takeover = r.accepted(block)
		a.Limits.Bytes = 8000
		hidden := map[common.Hash]bool{}
		head := r.chain.HeadAt(r.spec.SlotAt(time.Now()))
		for slot := block.Slot + 20; len(hidden) == 0; slot++ {
			if b, ok := r.chain.Ancestor(head, slot); ok && len(b.Finalization) > 0 {
				hidden[b.Finalization[0]] = true
			}
		}
		a.Gwat = hiding{r.gwat, hidden}
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrSpineMissing)
		require.NotErrorIs(t, err, protocol.ErrNotPrepared)
		r.requireUnlocked()
	})
}

// A ready that ran out while the attempt opened is not pushed on: a competing driver may
// have taken the lock since (S1).
func TestTakeoverOfAReadyThatRanOutPushesNothing(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{Lock: 5 * time.Second})
		a := r.attempt()
		a.Takeover = r.accepted(r.justified())
		r.ledger.SetPending(*a.Takeover)
		time.Sleep(6 * time.Second) // of the fake clock
		_, err := r.run(a)
		require.ErrorIs(t, err, protocol.ErrBusy)
		require.Zero(t, r.calls("dag_headSync"))
		require.Nil(t, r.ledger.pending, "the next attempt asks for its own ready")
	})
}

func TestTakeoverWithNothingToPushGivesTheLockBack(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { c.MissRate, c.QuietRate = 0, 0 }, gwatsim.Config{StartSlot: 95})
		b := r.chain.HeadAt(94)
		a := r.attempt()
		head := headerOf(b)
		r.watch(a).head = &head
		a.Takeover = r.accepted(b)
		_, err := r.run(a)
		require.NoError(t, err)
		r.requireUnlocked()
		require.Nil(t, r.ledger.pending)
	})
}

// The checkpoint of the ready in force is on a branch that the beacon left.
func TestTakeoverOfALeftBranchGivesTheLockBack(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) {
			c.ForkRate, c.MissRate, c.QuietRate = 0, 0, 0
			c.Reorgs = []world.Reorg{{Slot: 99, Depth: 3}}
		}, gwatsim.Config{StartSlot: 95})
		left := r.chain.HeadAt(98)
		a := r.attempt()
		pending := r.accepted(r.justified())
		pending.Slot, pending.Root = left.Slot, left.Root
		a.Takeover = pending
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrReorg)
		r.requireUnlocked()
	})
}

// The empty push that gives the lock back was not sent: the ready stays in force.
func TestReleaseThatWasNotSent(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		head := headerOf(r.chain.HeadAt(r.spec.SlotAt(time.Now())))
		a := r.attempt()
		a.Driver = driver{Driver: r.driver(), push: func() error { return gwatclient.ErrDown }}
		a.Beacon = &chainAt{Client: r.beacon, heads: []func() (beaconclient.Header, error){
			func() (beaconclient.Header, error) { return head, nil },
			func() (beaconclient.Header, error) { return beaconclient.Header{}, errors.New("gone") },
		}}
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrHeadUnknown)
		require.Equal(t, checkpoint.CallReady, r.ledger.pending.Call)
	})
}

// One bad answer is not kept: committees without a slot, a header with a wrong parent.
func TestOneBadAnswerIsForgotten(t *testing.T) {
	t.Run("committees", func(t *testing.T) {
		onRig(t, func(t *testing.T) {
			r := newRig(t, nil, gwatsim.Config{})
			a := r.attempt()
			w := r.watch(a)
			w.committees = func(all []beaconclient.Committee) []beaconclient.Committee { return all[:1] }
			_, err := r.run(a)
			require.ErrorIs(t, err, headsync.ErrInconsistent)
			w.committees = nil
			_, err = r.run(r.again(a))
			require.NoError(t, err)
		})
	})
	t.Run("header", func(t *testing.T) {
		onRig(t, func(t *testing.T) {
			r := newRig(t, func(c *world.Config) { c.MissRate = 0 }, gwatsim.Config{})
			head := r.chain.HeadAt(r.spec.SlotAt(time.Now()))
			victim, _ := r.chain.Ancestor(head, head.Slot-5)
			other, _ := r.chain.Ancestor(head, head.Slot-7)
			a := r.attempt()
			w := r.watch(a)
			w.header = func(h beaconclient.Header) beaconclient.Header {
				if h.Root == victim.Root {
					h.ParentRoot = other.Root
				}
				return h
			}
			_, err := r.run(a)
			require.ErrorIs(t, err, headsync.ErrInconsistent)
			w.header = nil
			_, err = r.run(r.again(a))
			require.NoError(t, err)
		})
	})
}

func TestHeadBeyondTheClockIsRefused(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		a := r.attempt()
		r.watch(a).head = &beaconclient.Header{Root: common.Hash{1}, Slot: r.spec.SlotAt(time.Now()) + 1000}
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrInconsistent)
	})
}

// gwat is far behind and nothing changes: the chain is named once.
func TestWaitingFarBehindCostsLittle(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { c.GenesisTime = uint64(time.Now().Unix()) - 4*6000; c.MissRate = 0 }, gwatsim.Config{StartSlot: 500})
		a := r.attempt()
		a.Inhibit = func() string { return "waiting" }
		w := r.watch(a)
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrWriteInhibited)
		require.Less(t, w.headers.Load(), int64(6000), "each header once")
		before := w.headers.Load()
		_, err = r.run(r.again(a))
		require.ErrorIs(t, err, headsync.ErrWriteInhibited)
		require.Less(t, w.headers.Load()-before, int64(20))
	})
}

// Below the last checkpoint gwat has the right blocks in a wrong order.
func TestWrongOrderBelowTheCheckpointIsRepaired(t *testing.T) {
	onRig(t, func(t *testing.T) {
		repaired := 0
		for start := primitives.Slot(16); start < 60; start += 3 {
			r := newRig(t, func(c *world.Config) { c.ForkRate, c.MissRate = 0, 0 }, gwatsim.Config{StartSlot: start})
			head := r.chain.HeadAt(r.spec.SlotAt(time.Now()))
			late, ok := r.chain.Ancestor(head, start+10)
			if !ok || len(late.Finalization) == 0 {
				continue
			}
			require.NoError(t, r.changes().Finalize(context.Background(), late.Finalization))
			if r.wrongNumber(late.Slot) < 0 {
				continue
			}
			result, err := r.run(r.attempt())
			require.NoError(t, err)
			r.requireCanonical(result.Confirmed.Slot)
			repaired++
		}
		require.Positive(t, repaired, "no network showed the case")
	})
}

// A push that failed ends the attempt at once, however slow the collection is.
func TestFailedPushDoesNotWaitForTheCollection(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, longStall, gwatsim.Config{})
		a := r.attempt()
		r.watch(a).slow = 100 * time.Millisecond
		a.Limits.Bytes = 1 << 20
		a.Throughput = &headsync.Throughput{}
		a.Throughput.Observe(64, time.Microsecond)
		a.PushFromCheckpoint = true
		var failed time.Time
		a.Driver = driver{Driver: r.driver(), push: func() error { failed = time.Now(); return errors.New("no") }}
		_, err := r.run(a)
		require.ErrorContains(t, err, "no")
		require.Less(t, time.Since(failed), time.Second)
	})
}

// gwat is beyond the last checkpoint and refuses what it is asked with: the
// one before is taken, but none before the last checkpoint.
func TestRefusedCheckpointsAreSteppedOver(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { c.MissRate, c.QuietRate = 0, 0 }, gwatsim.Config{StartSlot: 95})
		fin, err := r.beacon.Finality(context.Background(), beaconclient.StateHead)
		require.NoError(t, err)
		var asked []primitives.Slot
		refusedRoots := map[common.Hash]bool{}
		for range 12 {
			a := r.attempt()
			a.Driver, a.Refused = refusing{r.driver(), &asked}, refusedRoots
			_, err := r.run(a)
			var refused *headsync.RefusedCheckpoint
			require.ErrorAs(t, err, &refused)
			require.ErrorIs(t, err, gwatclient.ErrStateNotFound)
			refusedRoots[refused.Root] = true
		}
		require.Less(t, asked[1], asked[0])
		justified, ok := r.chain.Block(fin.CurrentJustified.Root)
		require.True(t, ok)
		require.Equal(t, justified.Slot, asked[len(asked)-1])
	})
}

// refusing answers every ready with a state that is missing.
type refusing struct {
	headsync.Driver
	asked *[]primitives.Slot
}

func (d refusing) Prepare(_ context.Context, cp checkpoint.ConsensusInfo) error {
	*d.asked = append(*d.asked, cp.Slot)
	return failure.WithKind(protocol.ErrCheckpointRefused, gwatclient.ErrStateNotFound)
}

// Where gwat knows no spine of the newest epochs, the search for a begin goes further down.
func TestTheSearchGoesOnDown(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		head := r.chain.HeadAt(r.spec.SlotAt(time.Now()))
		hidden := map[common.Hash]bool{}
		for slot := primitives.Slot(30); slot <= head.Slot; slot++ {
			if b, ok := r.chain.Ancestor(head, slot); ok {
				for _, s := range b.Finalization {
					hidden[s] = true
				}
			}
		}
		a := r.attempt()
		a.Gwat = hiding{r.gwat, hidden}
		_, err := r.run(a)
		require.ErrorIs(t, err, headsync.ErrSpineMissing, "a begin was found, and a spine after it is missing")
	})
}
