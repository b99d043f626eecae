package pair

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// fakeGate is a gate whose evidence a test sets.
type fakeGate struct {
	status gate.Status
	calls  []gate.Call
	proved uint64
	sent   *gate.SentList
	view   gate.View
	locked int // locks that were not released
	locks  int
	refuse error
}

func (g *fakeGate) Lock(context.Context) (func(), error) {
	if g.refuse != nil {
		return nil, g.refuse
	}
	g.locks++
	g.locked++
	return func() { g.locked-- }, nil
}
func (g *fakeGate) Status() gate.Status { return g.status }
func (g *fakeGate) Calls(after uint64) (out []gate.Call) {
	for _, c := range g.calls {
		if c.Seq > after {
			out = append(out, c)
		}
	}
	return out
}
func (g *fakeGate) Proved(seq uint64) {
	g.proved = seq
	if g.status.Absorbed.LastSeq <= seq {
		g.status.Absorbed = gate.Absorbed{}
	}
}
func (g *fakeGate) TakeSent() *gate.SentList {
	sent := g.sent
	g.sent = nil
	return sent
}
func (g *fakeGate) SetView(v gate.View) { g.view = v }

// fakeCalls answers the calls that change gwat.
type fakeCalls struct {
	headsync.Driver
	readyErr error
	sent     int
}

func (c *fakeCalls) Prepare(context.Context, checkpoint.ConsensusInfo) error {
	c.sent++
	return c.readyErr
}
func (c *fakeCalls) Push(context.Context, []checkpoint.ConsensusInfo) (*protocol.Mark, error) {
	c.sent++
	return nil, nil
}
func (c *fakeCalls) Release(context.Context) error {
	c.sent++
	return nil
}

// The gate is locked from before a ready until its push has ended, and no longer than
// an attempt: whatever the ready's answer is.
func TestTheGateIsLockedForAReadyAndItsPush(t *testing.T) {
	for name, tc := range map[string]struct {
		calls fakeCalls
		holds int // after the ready
	}{
		"accepted":         {fakeCalls{}, 1},
		"refused":          {fakeCalls{readyErr: protocol.ErrRefused}, 0},
		"not sent":         {fakeCalls{readyErr: gwatclient.ErrDown}, 0},
		"answer is lost":   {fakeCalls{readyErr: gwatclient.ErrLost}, 1},
		"unreadable":       {fakeCalls{readyErr: gwatclient.ErrMalformed}, 1},
		"gwat has a reply": {fakeCalls{readyErr: gwatclient.ErrLocked}, 0},
	} {
		ends := map[string]func(gatedCalls) error{
			"push":    func(n gatedCalls) error { _, err := n.Push(t.Context(), nil); return err },
			"release": func(n gatedCalls) error { return n.Release(t.Context()) },
		}
		for by, end := range ends {
			calls, g := tc.calls, &fakeGate{}
			n := gatedCalls{&calls, &gateLock{gate: g}}
			require.NoError(t, (&Pair{gate: gated{lock: n.gateLock}}).reserve()(t.Context()))
			require.ErrorIs(t, n.Prepare(t.Context(), checkpoint.Genesis()), calls.readyErr, name)
			require.Equal(t, tc.holds, g.locked, name)
			require.NoError(t, end(n), by)
			require.Zero(t, g.locked)
			n.free()
			n.free()
			require.Zero(t, g.locked, "a lock is released once")
			require.Equal(t, 1, g.locks)
		}
	}
}

// A push on a ready that was taken over has no ready that locks the gate: the attempt does.
func TestAnAttemptThatTakesAReadyOverHoldsTheGate(t *testing.T) {
	ended := errors.New("ended")
	for name, tc := range map[string]struct {
		takeover *checkpoint.Pending
		refuse   error
		locked   int
	}{
		"a ready of its own": {},
		"taken over":         {takeover: &checkpoint.Pending{}, locked: 1},
		"no lock":            {takeover: &checkpoint.Pending{}, refuse: ended},
	} {
		t.Run(name, func(t *testing.T) {
			g := &fakeGate{refuse: tc.refuse}
			p := &Pair{gate: gated{lock: &gateLock{gate: g}}}
			require.ErrorIs(t, p.holdGate(t.Context(), tc.takeover), tc.refuse)
			require.Equal(t, tc.locked, g.locked)
			p.freeGate()
			require.Zero(t, g.locked)
		})
	}
	require.NoError(t, (&Pair{}).holdGate(t.Context(), &checkpoint.Pending{}), "there is no gate")
}

// A ready waits for the gate before it is written down, and is neither written down nor sent
// when the wait is ended: while it waits, a locked gwat shows a competing driver (S6).
func TestNoReadyWithoutTheGatesLock(t *testing.T) {
	ended := errors.New("ended")
	p := &Pair{gate: gated{lock: &gateLock{gate: &fakeGate{refuse: ended}}}}
	require.ErrorIs(t, p.reserve()(t.Context()), ended)
	require.Nil(t, (&Pair{}).reserve(), "there is no gate")
}

// What was absorbed is reported as proved only when gwat has finalized all of it (S9).
func TestAbsorbedCallsAreProvedByBlockReads(t *testing.T) {
	one, two := common.Hash{1}, common.Hash{2}
	number := uint64(7)
	final := &gwatclient.Block{Hash: one, Number: &number, Height: 7}
	open := &gwatclient.Block{Hash: two, Height: 8}
	g := &fakeGate{status: gate.Status{Absorbed: gate.Absorbed{Count: 2, LastSeq: 9, Spines: []common.Hash{one, two}}}}
	p := knowing(t, fsm.Switching)
	p.cfg.Gate, p.cfg.Now = g, time.Now
	require.Equal(t, []common.Hash{one, two}, p.question().Spines, "each poll reads what was absorbed")
	require.Contains(t, p.unprovedCalls(), "2 calls")
	p.proveAbsorbed(&poll.Observation{Blocks: map[common.Hash]*gwatclient.Block{one: final, two: open}})
	require.Zero(t, g.proved)
	open.Number = new(uint64)
	*open.Number = 8
	p.proveAbsorbed(&poll.Observation{Blocks: map[common.Hash]*gwatclient.Block{one: final, two: open}})
	require.EqualValues(t, 9, g.proved)
	require.Empty(t, p.absorbedSpines())
}

// A spine that a reorg left is never final: an attempt that ended well settles what was
// absorbed before it began, and nothing later.
func TestAnAttemptSettlesWhatWasAbsorbedBefore(t *testing.T) {
	g := &fakeGate{status: gate.Status{Absorbed: gate.Absorbed{Count: 1, LastSeq: 4, Spines: []common.Hash{{9}}}}}
	p := &Pair{cfg: Config{Gate: g}}
	p.beginAttempt()
	p.settleAbsorbed()
	require.Empty(t, p.unprovedAbsorbed())
	p.beginAttempt()
	g.status.Absorbed = gate.Absorbed{Count: 1, LastSeq: 7, Spines: []common.Hash{{9}}}
	p.settleAbsorbed()
	require.NotEmpty(t, p.unprovedAbsorbed())
}

// The view follows the snapshot: a pause and an observer leave everything to the gate.
func TestTheGateSeesWhatTheLoopKnows(t *testing.T) {
	g := &fakeGate{}
	p := knowing(t, fsm.Connecting)
	p.cfg.Gate, p.polls.spec = g, &checkpoint.Spec{SecondsPerSlot: 4, SlotsPerEpoch: 32, CreatorsPerSlot: 4}
	for _, tc := range []struct {
		snapshot status.Snapshot
		want     gate.State
	}{
		{status.Snapshot{Stage: "connecting"}, gate.StateSyncing},
		{status.Snapshot{Stage: "head_sync"}, gate.StateSyncing},
		{status.Snapshot{Stage: "working"}, gate.StateWorking},
		{status.Snapshot{Stage: "paused"}, gate.StateHandsOff},
		{status.Snapshot{Stage: "halted"}, gate.StateHandsOff},
		{status.Snapshot{Stage: "working", Observe: true}, gate.StateHandsOff},
	} {
		p.showToGate(&tc.snapshot)
		require.Equal(t, tc.want, g.view.State, tc.snapshot.Stage)
		require.EqualValues(t, 4, g.view.Spec.SecondsPerSlot)
	}
	p.ledger.SetPause(&journal.Pause{})
	p.showToGate(&status.Snapshot{Stage: "connecting"})
	require.Equal(t, gate.StateHandsOff, g.view.State, "of before the restart; the stage follows")
}

// The gate's evidence: calls of normal work since the switch, and nothing that is absorbed.
func TestCallsThroughTheGateAreEvidence(t *testing.T) {
	worked := func(seq uint64) gate.Call {
		return gate.Call{Seq: seq, Method: "dag_finalize", Outcome: gate.OutcomeOK}
	}
	require.True(t, worked(1).Worked())
	g := &fakeGate{status: gate.Status{Calls: 3}, calls: []gate.Call{worked(1), worked(2), worked(3)}}
	p := knowing(t, fsm.Switching)
	p.cfg.Gate = g
	p.resetCalls()
	p.countCalls()
	require.Contains(t, p.unprovedCalls(), "2 more calls", "those before the switch are none")
	g.calls = append(g.calls, worked(4), gate.Call{Seq: 5})
	p.countCalls()
	p.countCalls()
	require.Contains(t, p.unprovedCalls(), "1 more call of the beacon")
	g.calls = append(g.calls, worked(6))
	p.countCalls()
	require.Empty(t, p.unprovedCalls())
	g.status.Absorbed.Count = 1
	require.NotEmpty(t, p.unprovedCalls())

	working := knowing(t, fsm.Working)
	working.cfg.Gate = &fakeGate{}
	require.Empty(t, working.unprovedCalls(), "a quiet slot brings no call")
	require.Empty(t, knowing(t, fsm.Switching).unprovedCalls(), "there is no gate")
}

// A switch whose calls stay unproved is over after six slots.
func TestASwitchWithoutCallsIsOver(t *testing.T) {
	for after, over := range map[time.Duration]bool{24*time.Second - 1: false, 24 * time.Second: true} {
		p := knowing(t, fsm.Switching)
		p.cfg.Gate = &fakeGate{}
		p.proof.verdict.Working = true
		p.stage.since = p.cfg.Now().Add(-after)
		facts, whole := p.facts()
		require.True(t, whole)
		require.False(t, facts.Verified)
		require.Contains(t, facts.VerifyWhy, "2 more calls")
		require.Equal(t, over, facts.VerifyOver)
	}
}

// A list is compared from the poll that finds it on: with what was collected as checkpoints
// pass it, and with gwat, which is asked once the pair is level.
func TestAListIsComparedPollByPoll(t *testing.T) {
	info := checkpoint.ConsensusInfo{Slot: 20, Finalizing: []common.Hash{{1}}}
	log, lines := test.NewNullLogger()
	p := knowing(t, fsm.HeadSyncReady)
	p.compareList(lookAt(32))
	require.Nil(t, p.listHealth(), "there is no gate")
	p.log = log
	p.cfg.Gate = &fakeGate{}
	p.compareList(lookAt(32))
	require.Nil(t, p.listHealth(), "there is no list")
	p.cfg.Gate = &fakeGate{sent: &gate.SentList{Total: 3, Entries: []checkpoint.ConsensusInfo{info}, Malformed: "entry 2", Truncated: true}}
	p.gate.list.collected.Add(common.Hash{20}, common.Hash{19}, info)
	p.compareList(lookAt(32))
	require.Equal(t, &health.List{Entries: 3, Malformed: "entry 2"}, p.listHealth())
	require.Len(t, lines.AllEntries(), 2)
	require.Contains(t, lines.LastEntry().Message, "too long")

	justified := lookAt(33)
	justified.Beacon.Points = []poll.Entry{{Header: beaconclient.Header{Root: common.Hash{20}, Slot: 20}}}
	justified.Beacon.Err = errors.New("gone")
	p.compareList(justified)
	require.Zero(t, p.listHealth().Compared)
	justified.Beacon.Err = nil
	p.compareList(justified)
	require.Equal(t, 1, p.listHealth().Compared)
	require.Empty(t, p.listedSpines(), "the pair is not level")

	level := knowing(t, fsm.Switching)
	level.log, level.cfg.Gate = log, p.cfg.Gate
	level.gate.list.running, level.gate.list.summary = p.gate.list.running, p.gate.list.summary
	require.Equal(t, []common.Hash{{1}}, level.listedSpines())
	answered := lookAt(34)
	answered.Gwat.Err = errors.New("gone")
	level.compareList(answered)
	require.Zero(t, level.listHealth().Finalized)
	require.Equal(t, []common.Hash{{1}}, level.listedSpines(), "a question without an answer is asked again")
	answered.Gwat.Err, answered.Blocks[common.Hash{1}] = nil, block(1, 20, 20)
	level.compareList(answered)
	require.Equal(t, 1, level.listHealth().Finalized)
	require.Contains(t, lines.LastEntry().Message, "to its end")
	require.Empty(t, level.listedSpines())
	level.compareList(answered)
	require.Equal(t, 1, level.listHealth().Finalized, "the summary stays")
}
