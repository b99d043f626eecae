package headsync_test

import (
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// longStall is a network whose last checkpoint is some 300 slots behind the head.
func longStall(c *world.Config) {
	c.GenesisTime = uint64(time.Now().Unix()) - 4*360
	c.StallJustification = []world.EpochRange{{From: 6, To: 1000}}
}

// pushes lists the heads-sync calls of gwat's log.
func (r *rig) pushes() (calls []gwatsim.Call) {
	for _, c := range r.node.Calls() {
		if c.Method == "dag_headSyncReady" || c.Method == "dag_headSync" {
			calls = append(calls, c)
		}
	}
	return calls
}

// requireSegments proves from gwat's log: ready and push alternate, each ready
// names what gwat last finalized, nothing is rolled back, and the slots pushed
// follow on each other with nothing left out.
func (r *rig) requireSegments(least int) {
	r.t.Helper()
	calls := r.pushes()
	require.Zero(r.t, len(calls)%2)
	require.GreaterOrEqual(r.t, len(calls)/2, least)
	for i := 0; i < len(calls); i += 2 {
		ready, push := calls[i], calls[i+1]
		require.Equal(r.t, "dag_headSyncReady", ready.Method)
		require.Equal(r.t, "dag_headSync", push.Method)
		require.Equal(r.t, ready.Before.Finalized, ready.After.Finalized, "batch %d rolls back", i/2)
		require.NotEmpty(r.t, push.Infos)
		// What names no spine can be no checkpoint, so it is pushed with what follows it.
		for slot := ready.Infos[0].Slot + 1; slot < push.Infos[0].Slot; slot++ {
			_, there := r.chain.Ancestor(r.chain.HeadAt(r.spec.SlotAt(time.Now())), slot)
			require.False(r.t, there, "slot %d is left out", slot)
		}
	}
}

func TestLongPushIsCutIntoSegments(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, longStall, gwatsim.Config{})
		a := r.attempt()
		a.Limits.Bytes = 4000
		result, err := r.run(a)
		require.NoError(t, err)
		require.Greater(t, result.Pushed, 200)
		r.requireSegments(10)
		r.requireCanonical(result.Confirmed.Slot)
		for _, c := range r.pushes() {
			require.LessOrEqual(t, len(c.Infos)*60, 4000)
		}
	})
}

func TestSegmentsFollowTheMeasuredPace(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, longStall, gwatsim.Config{EntryCost: 5 * time.Millisecond})
		a := r.attempt()
		a.Limits.Soft = 250 * time.Millisecond
		a.Throughput = &headsync.Throughput{}
		a.Throughput.Observe(10, 50*time.Millisecond)
		result, err := r.run(a)
		require.NoError(t, err)
		r.requireSegments(4)
		r.requireCanonical(result.Confirmed.Slot)
	})
}

// Past the hard deadline the attempt ends and its call stays in the ledger.
func TestHardDeadlineEndsTheAttempt(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, longStall, gwatsim.Config{EntryCost: 20 * time.Millisecond})
		a := r.attempt()
		a.Limits.Hard = 500 * time.Millisecond
		a.Throughput = &headsync.Throughput{}
		_, err := r.run(a)
		require.ErrorIs(t, err, gwatclient.ErrLost)
		require.Equal(t, "push", r.ledger.pending.Call)
		require.Less(t, a.Throughput.Entries(250*time.Millisecond), 64, "the next one is smaller")
	})
}

// A second attempt after a failure in the middle pushes no spine twice.
func TestNextAttemptGoesOnWhereTheLastOneEnded(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, longStall, gwatsim.Config{})
		first := r.attempt()
		first.Limits.Bytes = 4000
		n := 0
		first.Driver = driver{Driver: r.driver(), push: nil, ready: func() error {
			if n++; n > 5 {
				return gwatclient.ErrLocked
			}
			return r.driver().Prepare(context.Background(), r.lastConfirmed())
		}}
		result, err := r.run(first)
		require.ErrorIs(t, err, gwatclient.ErrLocked)
		require.Positive(t, result.Pushed)
		second := r.attempt()
		second.Limits.Bytes = 4000
		result, err = r.run(second)
		require.NoError(t, err)
		r.requireSegments(10)
		r.requireCanonical(result.Confirmed.Slot)
		seen := map[primitives.Slot]bool{}
		for _, c := range r.pushes() {
			if c.Method == "dag_headSync" {
				for _, info := range c.Infos {
					require.False(t, seen[info.Slot], "slot %d is pushed twice", info.Slot)
					seen[info.Slot] = len(info.Finalizing) > 0
				}
			}
		}
	})
}

// The whole chain is pushed again if the operator says so (S4).
func TestFullPush(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, nil, gwatsim.Config{})
		_, err := r.run(r.attempt())
		require.NoError(t, err)
		before := len(r.pushes())
		again := r.attempt()
		again.PushFromCheckpoint = true
		result, err := r.run(again)
		require.NoError(t, err)
		require.False(t, result.Synced)
		calls := r.pushes()[before:]
		require.Less(t, calls[0].After.Finalized, calls[0].Before.Finalized, "it rolls back to the last checkpoint")
		r.requireCanonical(result.Confirmed.Slot)
	})
}

// Between two batches the beacon's own call finalizes more: that is passed.
func TestBeaconFinalizesBetweenTwoSegments(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, func(c *world.Config) { longStall(c); c.MaxBlocksPerSlot = 1 }, gwatsim.Config{})
		a := r.attempt()
		a.Limits.Bytes = 4000
		head := r.chain.HeadAt(r.spec.SlotAt(time.Now()))
		far, ok := r.chain.Ancestor(head, head.Slot-40)
		for ; !ok || len(far.Finalization) == 0; far, ok = r.chain.Ancestor(head, far.Slot-1) {
		}
		done := false
		a.Report = func(rep headsync.Report) {
			if rep.Phase == headsync.PhaseReady && rep.Done > 0 && !done {
				done = true
				require.NoError(t, r.changes().Finalize(context.Background(), far.Finalization))
			}
		}
		_, err := r.run(a)
		require.NoError(t, err)
		require.True(t, done)
		r.requireCanonical(head.Slot - 2)
	})
}

// lastConfirmed is the entry of the newest canonical body that gwat has.
func (r *rig) lastConfirmed() (cp checkpoint.ConsensusInfo) {
	head := r.chain.HeadAt(r.spec.SlotAt(time.Now()))
	order := map[common.Hash]bool{}
	for _, h := range r.node.FinalizedOrder() {
		order[h] = true
	}
	for slot := primitives.Slot(0); slot <= head.Slot; slot++ {
		b, ok := r.chain.Ancestor(head, slot)
		if ok && len(b.Finalization) > 0 && order[b.Finalization[len(b.Finalization)-1]] {
			cp = checkpoint.ConsensusInfo{Slot: slot, Finalizing: b.Finalization}
		}
	}
	return cp
}

// However many rounds an attempt makes, what it reports is one count of what it pushes:
// done never falls and never exceeds the total, and at the end it is all that was pushed.
func TestAnAttemptReportsOneCount(t *testing.T) {
	onRig(t, func(t *testing.T) {
		r := newRig(t, longStall, gwatsim.Config{})
		a := r.attempt()
		a.Limits.Bytes = 4000
		beacon := r.watch(a)
		before, ok := r.chain.Ancestor(r.chain.HeadAt(r.spec.SlotAt(time.Now())), 340)
		require.True(t, ok)
		head := headerOf(before)
		beacon.head = &head
		var reports []headsync.Report
		a.Report = func(rep headsync.Report) {
			if rep.Phase == headsync.PhaseConfirming && rep.Done == rep.Total {
				beacon.head = nil // it moves on
			}
			reports = append(reports, rep)
		}
		result, err := r.run(a)
		require.NoError(t, err)
		done, rounds, to := 0, 0, primitives.Slot(0)
		for _, rep := range reports {
			require.GreaterOrEqual(t, rep.Done, done, "%+v", rep)
			require.LessOrEqual(t, rep.Done, rep.Total, "%+v", rep)
			if rep.Phase == headsync.PhasePushing {
				require.Less(t, rep.Done, rep.Total, "a push is under way")
				require.LessOrEqual(t, rep.Done+len(rep.Push), rep.Total)
			}
			if rep.To != to {
				rounds++
			}
			done, to = rep.Done, rep.To
		}
		require.Greater(t, rounds, 1, "the head has moved on")
		require.Equal(t, result.Pushed, done)
		require.Equal(t, done, reports[len(reports)-1].Total)
	})
}
