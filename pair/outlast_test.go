package pair

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/ledger"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// attemptTakes is how long an attempt reads in the tests below: longer than a slot
// and than six polls.
const attemptTakes = 6 * fakePoll

// pushTimeout is how long an attempt waits for gwat's answer in the tests below.
const pushTimeout = 3 * fakePoll

// slowAttempts is in front of the beacon node and makes the header of the last
// checkpoint, which each attempt reads, and a poll once an epoch, take attemptTakes.
func (f *fake) slowAttempts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := f.world.HeadAt(f.world.Spec().SlotAt(time.Now()))
		if justified := f.world.Finality(head).CurrentJustified.Root; strings.HasSuffix(r.URL.Path, "/headers/"+justified.Hex()) {
			select {
			case <-time.After(attemptTakes):
			case <-r.Context().Done():
			}
		}
		next.ServeHTTP(w, r)
	})
}

// outlasting is a pair whose attempts outlast many polls and whose beacon node does
// not drive gwat until it is told to.
func outlasting(fault func(string) gwatsim.Fault, pending func(*fake) *checkpoint.Pending, run func(*fake)) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		var f *fake
		cfg := fakeConfig{
			gwat:   func(c *gwatsim.Config) { c.StartSlot = 60; c.EntryCost = 20 * time.Millisecond },
			beacon: func(c *beaconsim.Config) { c.IdleWork = true },
			pair: func(c *Config) {
				c.CallTimeout, c.PushTimeout = 2*attemptTakes, pushTimeout
				if pending != nil {
					require.NoError(t, c.Journal.SetPending(*pending(f)))
				}
			},
			started: func(started *fake) {
				f = started
				f.gwat.SetFault(fault)
				f.bcnWire.Put(f.slowAttempts)
			},
		}
		inFakeTime(t, cfg, run)
	}
}

// sends reports of a call that it was sent or is about to be.
func (f *fake) sends(call string) func(*status.Snapshot) bool {
	return func(*status.Snapshot) bool {
		pending := f.pair.ledger.Pending()
		return pending != nil && pending.Call == call
	}
}

// goesOn waits until the call is over and the pair works.
func goesOn(f *fake, within time.Duration) {
	f.t.Helper()
	f.within(within, "the open call to be resolved", func(s *status.Snapshot) bool { return s.Stage == string(fsm.Switching) })
	f.beacon.SetIdle(false)
	f.reaches(fsm.Working)
}

// A call without an answer is resolved while attempts run: one that is always under
// way when a poll comes must not keep it open for ever.
func TestAnOpenCallIsResolvedWhileAttemptsOutlastThePolls(t *testing.T) {
	const lock = 20 * time.Second // of the fake pair
	t.Run("a ready of an earlier syncd, over by time only", outlasting(nil, func(*fake) *checkpoint.Pending {
		return &checkpoint.Pending{Call: checkpoint.CallReady, Attempt: 2, Spine: common.Hash{1}, SentAt: time.Now()}
	}, func(f *fake) {
		goesOn(f, pushTimeout+lock+5*attemptTakes)
	}))
	t.Run("a push that gwat carries out late", outlasting(once("dag_headSync", gwatsim.Fault{Delay: 8 * time.Second, Hang: true}), nil, func(f *fake) {
		f.within(time.Minute, "the push", f.sends(checkpoint.CallPush))
		goesOn(f, 8*time.Second+4*attemptTakes)
	}))
	t.Run("a ready that gwat accepts late is taken over at once", outlasting(once("dag_headSyncReady", gwatsim.Fault{Delay: 9 * time.Second, Drop: true}), nil, func(f *fake) {
		f.within(time.Minute, "the ready", f.sends(checkpoint.CallReady))
		goesOn(f, 9*time.Second+4*attemptTakes)
		require.Equal(f.t, "dag_headSync", f.callAfter("dag_headSyncReady"), "the lock is used, not waited for")
	}))
}

// After our own push the verification counts from what the push finalized, not from
// a number that was read before our ready rolled gwat back.
func TestTheVerificationCountsFromWhatThePushFinalized(t *testing.T) {
	t.Parallel()
	p := &Pair{polls: polls{history: poll.History{Number: 277}}, proof: proof{pushedTo: 240}}
	require.Equal(t, uint64(240), p.verifyFrom(fsm.HeadSync))
	require.Equal(t, uint64(277), p.verifyFrom(fsm.Working), "an old push says nothing of a pair that has worked since")
	p.proof.pushedTo = 0
	require.Equal(t, uint64(277), p.verifyFrom(fsm.HeadSyncReady))
}

// What a poll shows counts from the moment of each thing it speaks of, whatever runs.
func TestSinceWhenAPollCounts(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	newPair := func() *Pair {
		clock := func() time.Time { return now }
		return &Pair{
			nodes:  nodes{gwat: protocol.HeadSync{}},
			ledger: ledger.Open(journal.OpenMemory(), quietLog(), clock), log: quietLog(),
			cfg: Config{Now: clock, Times: Times{PushTimeout: time.Minute, LockTime: time.Minute}}, job: job{worker: &worker{attempt: 2, cancel: func() {}}},
		}
	}
	final := func(n uint64) *gwatclient.Block { return &gwatclient.Block{Number: &n, Height: n} }
	polled := func(at time.Time, spine common.Hash, b *gwatclient.Block) *poll.Observation {
		return &poll.Observation{Start: at, At: at, Gwat: poll.Gwat{Latest: final(3)}, Blocks: map[common.Hash]*gwatclient.Block{spine: b}}
	}
	before, after := now.Add(-time.Second), now.Add(time.Second)

	t.Run("pending", func(t *testing.T) {
		p := newPair()
		p.ledger.SetPending(checkpoint.Pending{Call: checkpoint.CallPush, LastSpine: common.Hash{9}, SentAt: now}, 1)
		p.polls.last = polled(before, common.Hash{9}, final(9))
		p.resolvePending()
		require.NotNil(t, p.ledger.Pending(), "read before it was sent")
		p.job.worker.attempt = 1
		p.polls.last = polled(after, common.Hash{9}, final(9))
		p.resolvePending()
		require.NotNil(t, p.ledger.Pending(), "its attempt still waits for the answer")
		p.job.worker.attempt = 2
		p.resolvePending()
		require.Nil(t, p.ledger.Pending())
	})
	t.Run("a number of an earlier process is nobody's", func(t *testing.T) {
		p, kept := newPair(), journal.OpenMemory()
		require.NoError(t, kept.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, Attempt: 2, SentAt: now}))
		p.ledger = ledger.Open(kept, quietLog(), p.cfg.Now)
		require.NotNil(t, p.ledger.Left(2))
		require.NotEmpty(t, p.inhibit())
		p.ledger.Adopt(2)
		require.Nil(t, p.ledger.Left(2))
		require.NotNil(t, p.ledger.Left(0))
	})
	t.Run("an accepted ready ends the attempt that runs beside it", func(t *testing.T) {
		p := newPair()
		cancelled := false
		p.job.worker.cancel = func() { cancelled = true }
		p.ledger.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, Spine: common.Hash{3}, SentAt: now}, 1)
		p.polls.last = polled(after, common.Hash{}, nil)
		p.polls.last.Gwat.Sync = protocol.State{Syncing: true, Activity: protocol.Prepared}
		p.polls.last.Gwat.Latest.Hash = common.Hash{3}
		p.resolvePending()
		require.True(t, cancelled)
		require.True(t, p.writes.takeover)
		require.NotEmpty(t, p.inhibit(), "the attempt that runs sends nothing")
		p.job.worker = nil
		require.Empty(t, p.inhibit())
	})
	t.Run("confirmed", func(t *testing.T) {
		p := newPair()
		gone := polled(after, common.Hash{5}, nil)
		p.ledger.SetConfirmed(checkpoint.Confirmed{Spine: common.Hash{5}, Number: 5, At: now})
		p.proveConfirmed(polled(before, common.Hash{5}, nil))
		require.NotNil(t, p.ledger.Confirmed(), "read before it was confirmed")
		p.ledger.SetPending(checkpoint.Pending{Call: checkpoint.CallReady, SentAt: now}, 2)
		p.proveConfirmed(gone)
		require.NotNil(t, p.ledger.Confirmed(), "our own call may have rolled it back for a moment")
		p.ledger.ClearPending()
		p.proveConfirmed(gone)
		require.Nil(t, p.ledger.Confirmed(), "though an attempt runs")
	})
	t.Run("completed", func(t *testing.T) {
		syncing := func(at time.Time) *poll.Observation {
			o := polled(at, common.Hash{}, nil)
			o.Gwat.Sync.Syncing = true
			return o
		}
		c := &completion{}
		require.False(t, c.refuted(syncing(after)), "the call runs")
		c.ended = now
		require.False(t, c.refuted(syncing(before)))
		require.False(t, c.refuted(polled(after, common.Hash{}, nil)))
		require.True(t, c.refuted(syncing(after)))
	})
}
