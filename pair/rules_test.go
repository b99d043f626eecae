package pair

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/ledger"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
)

// knowing is a pair in a stage that has a journal, a logger and a clock, which stays at
// the begin of slot 32.
func knowing(t *testing.T, stage fsm.Stage) *Pair {
	t.Helper()
	p := pairIn(t, stage)
	p.cfg.Now = func() time.Time { return factsSpec.SlotStart(32) }
	p.cfg.PollInterval, p.cfg.LockTime, p.cfg.PushTimeout = time.Second, time.Minute, time.Minute
	p.ledger = ledger.Open(journal.OpenMemory(), quietLog(), p.cfg.Now)
	p.log = quietLog()
	p.nodes.gwat = protocol.HeadSync{}
	p.polls.last, p.polls.identity.SlotInfo = lookAt(32), true
	p.job.refused = map[common.Hash]int{}
	return p
}

// What the loop knows itself is passed to health, each in its own word.
func TestWhatHealthIsTold(t *testing.T) {
	now := factsSpec.SlotStart(32)
	for name, tc := range map[string]struct {
		change func(p *Pair, o *poll.Observation)
		want   func(t *testing.T, in health.Input)
	}{
		"nothing": {func(*Pair, *poll.Observation) {}, func(t *testing.T, in health.Input) {
			require.Nil(t, in.Gate)
			require.Nil(t, in.Lock)
			require.Empty(t, in.Conflict)
			require.Empty(t, in.Human)
			require.Zero(t, in.FailedFor)
			require.False(t, in.Gwat.Ours)
		}},
		"a gate": {func(p *Pair, _ *poll.Observation) {
			p.cfg.Gate = &fakeGate{status: gate.Status{Calls: 7, Held: 2, Absorbed: gate.Absorbed{Count: 3, Since: now, Lasting: 1, Error: "x"}}}
		}, func(t *testing.T, in health.Input) {
			require.Equal(t, &health.Gate{Calls: 7, Held: 2, Absorbed: 3, Since: now, Lasting: 1, Error: "x"}, in.Gate)
		}},
		"two networks": {func(p *Pair, _ *poll.Observation) {
			p.polls.identity = &checkpoint.Identity{GwatChainID: 1, Spec: checkpoint.Spec{DepositChainID: 2}}
		}, func(t *testing.T, in health.Input) { require.NotEmpty(t, in.Conflict) }},
		"nobody has said who he is": {func(p *Pair, _ *poll.Observation) { p.polls.identity = nil },
			func(t *testing.T, in health.Input) { require.Empty(t, in.Conflict) }},
		"a human is needed": {func(p *Pair, _ *poll.Observation) { p.job.human = &human{why: "no token"} },
			func(t *testing.T, in health.Input) { require.Equal(t, "no token", in.Human) }},
		"a call of ours is open": {func(p *Pair, _ *poll.Observation) {
			p.ledger.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, SentAt: now}, 1)
		}, func(t *testing.T, in health.Input) { require.True(t, in.Gwat.Ours) }},
		"a lock of ours": {func(p *Pair, o *poll.Observation) {
			p.ledger.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, SentAt: now}, 1)
			o.Gwat.Sync.Activity = protocol.Prepared
		}, func(t *testing.T, in health.Input) {
			require.Equal(t, &health.Lock{Ours: true, Until: now.Add(time.Minute)}, in.Lock)
		}},
		"a lock of ours that runs": {func(p *Pair, o *poll.Observation) {
			p.ledger.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, SentAt: now}, 1)
			o.Gwat.Sync.Activity, p.job.worker = protocol.Prepared, &worker{}
		}, func(t *testing.T, in health.Input) { require.True(t, in.Lock.Running) }},
		"another's lock": {func(p *Pair, o *poll.Observation) {
			p.writes.competing.Sign("a sign", now)
			o.Gwat.Sync.Activity, p.job.worker = protocol.Prepared, &worker{}
		}, func(t *testing.T, in health.Input) {
			require.Equal(t, &health.Lock{Until: now.Add(time.Minute)}, in.Lock)
			require.Equal(t, "a sign", in.Competing)
		}},
		"a lock of whomever": {func(_ *Pair, o *poll.Observation) { o.Gwat.Sync.Activity = protocol.Prepared },
			func(t *testing.T, in health.Input) { require.Equal(t, &health.Lock{}, in.Lock) }},
		"a lock that was not read": {func(_ *Pair, o *poll.Observation) {
			o.Gwat.Sync.Activity, o.Gwat.Err = protocol.Prepared, errors.New("gone")
		}, func(t *testing.T, in health.Input) { require.Nil(t, in.Lock) }},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := knowing(t, fsm.HeadSyncReady), lookAt(32)
			tc.change(p, o)
			tc.want(t, p.healthInput(o, nil))
		})
	}
	p, o := knowing(t, fsm.HeadSyncReady), lookAt(33)
	p.ledger.SetPending(checkpoint.Pending{}, 1)
	p.ledger.ClearPending()
	require.False(t, p.healthInput(o, nil).Gwat.Ours, "it was over before this poll")
	require.True(t, p.healthInput(o, lookAt(31)).Gwat.Ours, "and not before the last one")
}

// Attempts that fail are counted in a row, but for those that say nothing of the pair.
func TestFailedAttemptsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := knowing(t, fsm.HeadSyncReady)
		failed := func(err error) health.Input {
			p.countFailed(err)
			time.Sleep(time.Second) // of the fake clock
			return p.healthInput(lookAt(32), nil)
		}
		require.Zero(t, failed(nil).Failed)
		for i := range 3 {
			in := failed(fmt.Errorf("failure %d", i))
			require.Equal(t, i+1, in.Failed)
			require.Equal(t, fmt.Sprintf("failure %d", i), in.FailedWhy)
			require.Equal(t, time.Duration(i+1)*time.Second, in.FailedFor)
		}
		for _, err := range []error{context.Canceled, headsync.ErrWriteInhibited, protocol.ErrLockHeld, protocol.ErrBusy} {
			require.Equal(t, 3, failed(err).Failed, err)
		}
		require.Zero(t, failed(nil).Failed)
		require.Equal(t, time.Second, failed(errors.New("again")).FailedFor)
	})
}

// What an attempt's error shows beside that it failed.
func TestWhatAnErrorShows(t *testing.T) {
	now := factsSpec.SlotStart(32)
	pending := func(p *Pair) { p.ledger.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, SentAt: now}, 1) }
	below := func(slot primitives.Slot) error { return &headsync.RolledBackError{Below: slot} }
	for name, tc := range map[string]struct {
		before func(*Pair)
		err    error
		sign   bool
		human  bool
		below  primitives.Slot // 0: not known
	}{
		"it failed":                {err: errors.New("x")},
		"a human is needed":        {err: failure.WithKind(failure.NeedsHuman, errors.New("x")), human: true},
		"a lock without our call":  {err: protocol.ErrLockHeld, sign: true},
		"a lock of an open call":   {before: pending, err: protocol.ErrLockHeld},
		"not ready after a ready":  {before: pending, err: protocol.ErrNotPrepared, sign: true},
		"rolled back":              {err: below(20), sign: true, below: 20},
		"rolled back further":      {before: func(p *Pair) { p.job.below = new(primitives.Slot(21)) }, err: below(20), sign: true, below: 20},
		"rolled back further once": {before: func(p *Pair) { p.job.below = new(primitives.Slot(19)) }, err: below(20), sign: true, below: 19},
	} {
		t.Run(name, func(t *testing.T) {
			p := knowing(t, fsm.HeadSyncReady)
			if tc.before != nil {
				tc.before(p)
			}
			p.failed(tc.err)
			require.Equal(t, tc.err.Error(), p.shown.lastErr.Message)
			require.Equal(t, tc.sign, p.writes.competing.Active())
			require.Equal(t, tc.human, p.job.human != nil)
			require.Equal(t, tc.below > 0, p.job.below != nil)
			if tc.human {
				require.Equal(t, human{tc.err.Error(), now.Add(30 * time.Second)}, *p.job.human)
			}
			if tc.below > 0 {
				require.Equal(t, tc.below, *p.job.below)
			}
		})
	}
	log, lines := test.NewNullLogger()
	p := knowing(t, fsm.HeadSyncReady)
	p.log = log
	for _, text := range []string{"a", "a", "b", "a"} {
		p.failed(errors.New(text))
	}
	require.Len(t, lines.AllEntries(), 3, "the same error again is not logged")
}

// An interval begins when the one before is over.
func TestWhatIsDue(t *testing.T) {
	p := knowing(t, fsm.HeadSyncReady)
	now := p.cfg.Now()
	next := now.Add(1)
	require.False(t, p.isDue(&next, time.Second))
	require.Equal(t, now.Add(1), next)
	next = now
	require.True(t, p.isDue(&next, time.Second))
	require.Equal(t, now.Add(time.Second), next)
	seen := p.seenNodes()
	p.job.tried = seen
	require.False(t, p.idle(seen), "an attempt may send something")
	p.writes.inhibit = "paused"
	seen = p.seenNodes()
	require.False(t, p.idle(seen), "it is inhibited since then")
	p.job.tried = seen
	require.True(t, p.idle(seen))
	p.polls.last.Beacon.Head.Header.Root = common.Hash{9}
	require.False(t, p.idle(p.seenNodes()), "the head has moved on")
}

// A beacon node processes blocks if it says that it does not sync and its head does not
// stand; a gate holds its calls back.
func TestTheBeaconWorks(t *testing.T) {
	for name, tc := range map[string]struct {
		syncing bool
		head    primitives.Slot
		gate    Gate
		want    bool
	}{
		"at the clock":          {head: 32, want: true},
		"three slots behind":    {head: 29, want: true},
		"four slots behind":     {head: 28},
		"its driver waits":      {syncing: true, head: 32},
		"a gate holds it back":  {head: 32, gate: &fakeGate{}},
		"a clock that is ahead": {head: 40, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := knowing(t, fsm.HeadSyncReady)
			p.cfg.Gate = tc.gate
			p.polls.last.Beacon.Syncing.IsSyncing, p.polls.last.Beacon.Head.Header.Slot = tc.syncing, tc.head
			require.Equal(t, tc.want, p.beaconWorks())
		})
	}
}

// What the next poll is asked depends on the stage and on what is not known yet.
func TestWhatAPollIsAsked(t *testing.T) {
	calls := map[fsm.Stage]bool{fsm.Switching: true, fsm.Working: true}
	for stage := range toStage {
		p := knowing(t, stage)
		p.polls.identityAt = p.cfg.Now().Add(-30 * time.Second)
		q := p.question()
		require.Equal(t, poll.Question{Identified: true, Calls: calls[stage], Within: 5 * time.Second, Again: time.Second}, q, stage)
		p.polls.identityAt = p.cfg.Now().Add(-30*time.Second - 1)
		require.True(t, p.question().Identity, "who the nodes are was asked thirty polls ago")
		p.polls.identity = nil
		q = p.question()
		require.True(t, q.Identity)
		require.False(t, q.Identified)
	}
	p := knowing(t, fsm.Working)
	p.polls.identityAt = p.cfg.Now()
	p.polls.history.Fails = 1
	for took, want := range map[time.Duration]time.Duration{time.Second: 4 * time.Second, 4 * time.Second: 2500 * time.Millisecond, -time.Hour: 5 * time.Second} {
		p.polls.last.Start = p.polls.last.At.Add(-took)
		require.Equal(t, want, p.question().Within, "after a poll of %s", took)
	}
	p.job.missing = &missing{spine: common.Hash{1}}
	p.ledger.SetPending(checkpoint.Pending{LastSpine: common.Hash{2}}, 1)
	p.ledger.SetConfirmed(checkpoint.Confirmed{Spine: common.Hash{3}})
	require.Equal(t, []common.Hash{{1}, {2}, {3}}, p.question().Spines)
	require.NoError(t, p.machine.Fire(t.Context(), fsm.Conflict, "test"))
	require.True(t, p.question().Identity, "a halted pair may have become one")
}

// Nodes that are of another network from one poll to the next begin again, from every stage, and
// what was known of the old network is gone. A setting of the beacon node is no other network.
func TestNodesOfAnotherNetworkBeginAgain(t *testing.T) {
	for stage := range toStage {
		p := knowing(t, stage)
		now := p.cfg.Now()
		p.ledger.SetNetwork(journal.NetworkOf(factsSpec))
		p.ledger.SetConfirmed(checkpoint.Confirmed{Spine: common.Hash{3}, Number: 3, At: now})
		o := lookAt(32)
		o.Identity = &checkpoint.Identity{Spec: factsSpec, SlotInfo: true}
		o.Identity.Spec.ConfigName = "renamed"
		p.identified(o)
		up, _ := p.up(o)
		require.True(t, up, "%s: a name is no network", stage)

		o.Identity = &checkpoint.Identity{Spec: factsSpec, SlotInfo: true}
		o.Identity.Spec.GenesisTime += 4
		p.identified(o)
		up, why := p.up(o)
		require.Equal(t, stage == fsm.Connecting, up, stage)
		if stage == fsm.Connecting {
			continue
		}
		require.Contains(t, why, "of another network now")
		event, _, ok := fsm.Decide(stage, fsm.Facts{Judged: true, Up: up, UpWhy: why})
		require.True(t, ok, stage)
		require.NotEqual(t, fsm.Verified, event, stage)

		p.polls.identity, p.polls.moved = nil, false // as at Connecting, and as the next poll sees it
		p.identified(o)
		require.False(t, p.polls.moved)
		require.Nil(t, p.ledger.Confirmed(), stage)
	}
}

// Why nothing is sent: an observer, a competing driver of a known network, an open call.
func TestWhyNothingIsSent(t *testing.T) {
	p := knowing(t, fsm.HeadSyncReady)
	require.Empty(t, p.inhibit())
	p.writes.competing.Sign("a sign", p.cfg.Now())
	require.Contains(t, p.inhibit(), "a sign")
	p.polls.identity = nil
	require.Empty(t, p.inhibit(), "the sign may be of another network")
	p.cfg.Observe = true
	require.Contains(t, p.inhibit(), "only observes")
}

// The confirmed entry stays as long as gwat has it where it was.
func TestTheConfirmedEntryIsProved(t *testing.T) {
	spine := common.Hash{5}
	open, misplaced := block(5, 5, 5), block(5, 6, 5)
	open.Number = nil
	for name, tc := range map[string]struct {
		change func(o *poll.Observation)
		kept   bool
	}{
		"it is there":              {func(o *poll.Observation) { o.Blocks[spine] = block(5, 5, 5) }, true},
		"it was not read":          {func(*poll.Observation) {}, true},
		"gwat does not have it":    {func(o *poll.Observation) { o.Blocks[spine] = nil }, false},
		"it is open":               {func(o *poll.Observation) { o.Blocks[spine] = open }, false},
		"it has another number":    {func(o *poll.Observation) { o.Blocks[spine] = misplaced }, false},
		"read as it was confirmed": {func(o *poll.Observation) { o.Blocks[spine], o.Start = nil, factsSpec.SlotStart(32) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := knowing(t, fsm.Working), lookAt(33)
			p.ledger.SetConfirmed(checkpoint.Confirmed{Spine: spine, Number: 5, At: factsSpec.SlotStart(32)})
			tc.change(o)
			p.proveConfirmed(o)
			require.Equal(t, tc.kept, p.ledger.Confirmed() != nil)
		})
	}
}

// A lower number is a rollback by another driver only if gwat was there all the time and
// no call of ours explains it.
func TestARollbackIsASign(t *testing.T) {
	for name, tc := range map[string]struct {
		previous func(o *poll.Observation) *poll.Observation
		ours     bool
		want     bool
	}{
		"gwat was there":  {func(o *poll.Observation) *poll.Observation { return o }, false, true},
		"a call of ours":  {func(o *poll.Observation) *poll.Observation { return o }, true, false},
		"gwat was gone":   {func(o *poll.Observation) *poll.Observation { o.Gwat.Err = errors.New("gone"); return o }, false, false},
		"the first since": {func(*poll.Observation) *poll.Observation { return nil }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			log, lines := test.NewNullLogger()
			p := knowing(t, fsm.Working)
			p.log = log
			p.polls.history.Number = 20
			p.watchCompeting(lookAt(30), lookAt(29))
			if tc.ours {
				p.ledger.SetPending(checkpoint.Pending{Call: checkpoint.CallReady}, 1)
			}
			for range 2 {
				p.polls.history.Number--
				p.watchCompeting(lookAt(33), tc.previous(lookAt(32)))
				require.Equal(t, tc.want, p.writes.competing.Active())
			}
			require.Equal(t, tc.want, len(lines.AllEntries()) == 1, "it is logged when it is new")
		})
	}
}

// While nothing speaks of a conflict, who the nodes are decides.
func TestWhyTheNodesAreNoPair(t *testing.T) {
	needs := failure.WithKind(failure.NeedsHuman, errors.New("no token"))
	for name, tc := range map[string]struct {
		change func(p *Pair, o *poll.Observation)
		judged bool
		why    string // "" if they are one
	}{
		"they are":           {func(*Pair, *poll.Observation) {}, true, ""},
		"not known yet":      {func(p *Pair, _ *poll.Observation) { p.polls.identity = nil }, false, ""},
		"gwat refuses us":    {func(_ *Pair, o *poll.Observation) { o.Gwat.Err = needs }, true, "gwat at gwat.example: no token"},
		"beacon refuses us":  {func(_ *Pair, o *poll.Observation) { o.Beacon.Err = needs }, true, "the beacon node at beacon.example: no token"},
		"an attempt's error": {func(p *Pair, _ *poll.Observation) { p.job.human = &human{why: "x"} }, true, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := pairIn(t, fsm.Connecting), lookAt(32)
			p.polls.identity.SlotInfo = true
			tc.change(p, o)
			judged, why := p.identityConflict(o)
			require.Equal(t, tc.judged, judged)
			require.Equal(t, tc.why, why)
		})
	}
}

func TestAPermitOfNobodySendsNothing(t *testing.T) {
	p := knowing(t, fsm.HeadSyncReady)
	p.writes.to = protocol.HeadSync{}.Driver
	a := p.attempt(guard.Permit{})
	require.NotEmpty(t, a.Inhibit())
}
