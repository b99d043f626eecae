package headsync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/protocol"
)

// stepSpec has slots of 4 s; its genesis is 1000 s after the epoch.
var stepSpec = checkpoint.Spec{SlotsPerEpoch: 8, SecondsPerSlot: 4, CreatorsPerSlot: 4, GenesisTime: 1000}

// stepNodes are both nodes and the ledger of an attempt of which a test takes one step.
type stepNodes struct {
	Chain
	Gwat
	Driver
	head     func() (beaconclient.Header, error)
	latest   *gwatclient.Block
	err      error // of gwat's reads
	state    protocol.State
	released error
	releases int
	pending  *checkpoint.Pending
	cleared  bool
}

func (n *stepNodes) Header(context.Context, beaconclient.BlockID) (beaconclient.Header, error) {
	return n.head()
}
func (n *stepNodes) Latest(context.Context) (*gwatclient.Block, error) { return n.latest, n.err }
func (n *stepNodes) State(context.Context) (protocol.State, error)     { return n.state, n.err }
func (n *stepNodes) Release(context.Context) error                     { n.releases++; return n.released }
func (n *stepNodes) SetPending(p checkpoint.Pending)                   { n.pending, n.cleared = &p, false }
func (n *stepNodes) ClearPending()                                     { n.pending, n.cleared = nil, true }
func (n *stepNodes) SetConfirmed(checkpoint.Confirmed)                 {}
func (n *stepNodes) at(slot primitives.Slot) func() (beaconclient.Header, error) {
	return func() (beaconclient.Header, error) {
		return beaconclient.Header{Slot: slot, Root: root(int(slot))}, nil
	}
}

// step is an attempt whose clock is some time after the begin of slot 32.
func step(n *stepNodes, after time.Duration) *Attempt {
	now := stepSpec.SlotStart(32).Add(after)
	begin := time.Now()
	if n.head == nil {
		n.head = n.at(32)
	}
	return &Attempt{
		Spec: stepSpec, Now: func() time.Time { return now.Add(time.Since(begin)) }, Report: func(Report) {}, Throughput: &Throughput{},
		Nodes:  Nodes{Beacon: n, Gwat: n, Driver: n, Ledger: n},
		Orders: Orders{Inhibit: func() string { return "" }},
		course: course{chain: chainOf(entry(31), entry(32)), pos: Position{Last: entry(31)}},
	}
}

// A push waits for the block of its slot, and for the next slot if it does not fit before
// that: a beacon node whose head does not move for more than three slots is not waited for.
func TestTheMomentOfAPush(t *testing.T) {
	const each = 100 * time.Millisecond
	for name, tc := range map[string]struct {
		after   time.Duration // the begin of slot 32
		head    primitives.Slot
		entries int
		change  func(*Attempt)
		waits   bool
	}{
		"it fits":                 {time.Second, 32, 10, nil, false},
		"it just fits":            {3 * time.Second, 32, 10, nil, false},
		"it does not":             {3 * time.Second, 32, 11, nil, true},
		"the block is to come":    {time.Second, 31, 1, nil, true},
		"three slots without one": {time.Second, 29, 1, nil, true},
		"four of them":            {time.Second, 28, 1, nil, false},
		"it never fits":           {time.Second, 32, 1000, nil, false},
		"half of a slot is left":  {2 * time.Second, 32, 1000, nil, false},
		"less than half":          {2*time.Second + 1, 32, 1000, nil, true},
		"a rollback fits":         {2500 * time.Millisecond, 32, 10, func(a *Attempt) { a.pos.At = 75 }, false},
		"a rollback does not":     {2500 * time.Millisecond, 32, 10, func(a *Attempt) { a.pos.At = 74 }, true},
		"nothing is measured":     {3*time.Second + 999*time.Millisecond, 32, 1, func(a *Attempt) { a.Throughput.perEntry = 0 }, false},
		"two of unknown cost":     {3*time.Second + 999*time.Millisecond, 32, 2, func(a *Attempt) { a.Throughput.perEntry = 0 }, true},
		"the beacon does no work": {time.Second, 31, 1, func(a *Attempt) { a.BeaconWorks = false }, false},
		"a ready is in force":     {time.Second, 31, 1, func(a *Attempt) { a.Takeover = &checkpoint.Pending{} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &stepNodes{latest: &gwatclient.Block{Number: number(100)}}
				a := step(n, tc.after)
				a.BeaconWorks, a.Throughput.perEntry, a.pos.At = true, each, 100
				reads := 0
				n.head = func() (beaconclient.Header, error) { // the next blocks come 0.1 s after their slots begin
					reads++
					if slot := stepSpec.SlotAt(a.Now().Add(-100 * time.Millisecond)); slot > 32 {
						return n.at(slot)()
					}
					return n.at(tc.head)()
				}
				if tc.change != nil {
					tc.change(a)
				}
				begin := time.Now()
				waited, err := a.awaitMoment(t.Context(), tc.entries)
				require.NoError(t, err)
				require.Equal(t, tc.waits, waited)
				require.Equal(t, tc.waits, time.Since(begin) > 0)
				if waited && tc.head == 32 {
					require.Equal(t, 3, reads, "while the block of this slot is there, the next slot is waited for")
				}
				if waited {
					require.Equal(t, primitives.Slot(33), stepSpec.SlotAt(a.Now()))
					require.LessOrEqual(t, a.Now().Sub(stepSpec.SlotStart(33)), 350*time.Millisecond, "the head is read sixteen times a slot")
				}
			})
		})
	}
}

// Nothing is waited for that cannot be read, and nobody waits who may not send.
func TestAMomentThatDoesNotCome(t *testing.T) {
	gone := errors.New("gone")
	for name, tc := range map[string]struct {
		change func(*Attempt, *stepNodes)
		want   error
	}{
		"gwat": {func(_ *Attempt, n *stepNodes) { n.err = gone }, gone},
		"beacon": {func(_ *Attempt, n *stepNodes) {
			n.head = func() (beaconclient.Header, error) { return beaconclient.Header{}, gone }
		}, gone},
		"inhibited": {func(a *Attempt, n *stepNodes) { n.head = n.at(31); a.Inhibit = func() string { return "paused" } }, ErrWriteInhibited},
	} {
		t.Run(name, func(t *testing.T) {
			n := &stepNodes{latest: &gwatclient.Block{Number: number(1)}}
			a := step(n, time.Second)
			a.BeaconWorks = true
			tc.change(a, n)
			waited, err := a.awaitMoment(t.Context(), 1)
			require.ErrorIs(t, err, tc.want)
			require.False(t, waited)
		})
	}
}

// A head may be one slot ahead of the clock, which may be set a little wrong.
func TestTheHeadIsHeldToTheClock(t *testing.T) {
	for slot, want := range map[primitives.Slot]error{31: nil, 32: nil, 33: nil, 34: ErrInconsistent} {
		n := &stepNodes{}
		n.head = n.at(slot)
		_, err := step(n, 0).head(t.Context())
		require.ErrorIs(t, err, want, slot)
	}
}

// The head's answer is at most a second old when a push is sent; it is asked for three
// times at most.
func TestHowOldTheHeadMayBe(t *testing.T) {
	gone := errors.New("gone")
	for name, tc := range map[string]struct {
		age   time.Duration // of the first answer
		first error
		later []error       // instead of the next answers
		slow  time.Duration // that passes after each of them
		asked int
		want  error
	}{
		"fresh":               {},
		"a second old":        {age: time.Second},
		"older":               {age: time.Second + 1, later: []error{nil}, asked: 1},
		"none, then fresh":    {first: gone, later: []error{gone, nil}, asked: 2},
		"none in three":       {first: gone, later: []error{gone, gone, nil}, asked: 2, want: gone},
		"too old three times": {age: time.Hour, later: []error{nil, nil, nil}, slow: 2 * time.Second, asked: 2, want: ErrHeadUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			n := &stepNodes{}
			a := step(n, 0)
			now := stepSpec.SlotStart(32)
			a.Now = func() time.Time {
				defer func() { now = now.Add(tc.slow) }()
				return now
			}
			asked := 0
			n.head = func() (beaconclient.Header, error) {
				asked++
				return beaconclient.Header{Slot: 32, Root: root(32)}, tc.later[asked-1]
			}
			first := make(chan headAnswer, 1)
			first <- headAnswer{beaconclient.Header{Slot: 32, Root: root(32)}, now.Add(-tc.age), tc.first}
			push, err := a.freshest(t.Context(), []Entry{entry(32)}, first)
			require.ErrorIs(t, err, tc.want)
			require.Equal(t, tc.want != nil, errors.Is(err, ErrHeadUnknown))
			require.Equal(t, tc.asked, asked)
			require.Equal(t, tc.want == nil, len(push) == 1)
		})
	}
}

// What is left in the ledger when the lock is given back.
func TestGivingTheLockBack(t *testing.T) {
	for name, tc := range map[string]struct {
		inForce bool
		answer  error
		pending bool // the ready is in force still, or the call may be carried out
		tells   error
	}{
		"nothing is in force": {},
		"given back":          {inForce: true},
		"refused":             {inForce: true, answer: protocol.ErrRefused},
		"not sent":            {inForce: true, answer: gwatclient.ErrDown, pending: true},
		"lost":                {inForce: true, answer: gwatclient.ErrLost, pending: true},
		"nothing was held":    {inForce: true, answer: protocol.ErrNotPrepared, tells: protocol.ErrNotPrepared},
	} {
		t.Run(name, func(t *testing.T) {
			n := &stepNodes{released: tc.answer}
			a := step(n, 0)
			ready := checkpoint.Pending{Call: checkpoint.CallReady, Slot: 24}
			if tc.inForce {
				a.inForce, a.Takeover = &ready, &ready
				n.pending = &checkpoint.Pending{Call: checkpoint.CallPush}
			}
			require.ErrorIs(t, a.release(t.Context()), tc.tells)
			require.Equal(t, tc.inForce, n.releases == 1)
			require.Equal(t, tc.pending, n.pending != nil)
			if errors.Is(tc.answer, gwatclient.ErrDown) {
				require.Equal(t, ready, *n.pending)
			}
			require.Nil(t, a.inForce)
			require.Nil(t, a.Takeover)
		})
	}
}

// A ready that is taken over must hold still: gwat is prepared at its spine.
func TestIsTheReadyInForceStill(t *testing.T) {
	gone := errors.New("gone")
	for name, tc := range map[string]struct {
		change func(*stepNodes)
		want   error
		holds  bool
	}{
		"it holds":       {func(*stepNodes) {}, nil, true},
		"it ran out":     {func(n *stepNodes) { n.state.Activity = protocol.Behind }, protocol.ErrBusy, false},
		"another's lock": {func(n *stepNodes) { n.latest.Hash = spine(2) }, protocol.ErrBusy, false},
		"unknown":        {func(n *stepNodes) { n.err = gone }, gone, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := &stepNodes{latest: &gwatclient.Block{Hash: spine(1)}, state: protocol.State{Activity: protocol.Prepared}}
			a := step(n, 0)
			a.Takeover = &checkpoint.Pending{Spine: spine(1)}
			a.inForce = a.Takeover
			n.pending = a.Takeover
			tc.change(n)
			require.ErrorIs(t, a.stillInForce(t.Context()), tc.want)
			require.Equal(t, tc.holds, a.inForce != nil)
			require.Equal(t, tc.holds, n.pending != nil)
			require.Equal(t, errors.Is(tc.want, gone), n.releases == 1, "what is not known is given back")
		})
	}
}

// A call that gwat may still carry out stays in the ledger.
func TestWhatStaysPending(t *testing.T) {
	for name, tc := range map[string]struct {
		err     error
		pending bool
	}{
		"refused":          {protocol.ErrRefused, false},
		"lost":             {gwatclient.ErrLost, true},
		"not sent":         {gwatclient.ErrDown, false},
		"we gave up":       {context.Canceled, true},
		"its time is over": {context.DeadlineExceeded, true},
		"not sent in time": {fmt.Errorf("%w: %w", gwatclient.ErrDown, context.DeadlineExceeded), false},
	} {
		n := &stepNodes{pending: &checkpoint.Pending{}}
		step(n, 0).settle(tc.err)
		require.Equal(t, tc.pending, n.pending != nil, name)
	}
}

// What is written down before a call names its checkpoint, and the last spine of a push.
func TestWhatIsWrittenDownBeforeACall(t *testing.T) {
	a := step(&stepNodes{}, 0)
	a.Number, a.pos.Checkpoint = 7, entry(24, spine(1), spine(2))
	want := checkpoint.Pending{Call: checkpoint.CallPush, Attempt: 7, Slot: 24, Root: root(24), Spine: spine(2), LastSpine: spine(4)}
	got := a.pending(checkpoint.CallPush, []Entry{entry(25, spine(3)), entry(26, spine(4)), entry(27)})
	require.WithinDuration(t, stepSpec.SlotStart(32), got.SentAt, time.Minute)
	got.SentAt = time.Time{}
	require.Equal(t, want, got)
}

// While a ready waits for the calls of others nothing of ours is under way: what gwat shows
// meanwhile is another driver's (S6). It is asked afterwards whether a ready may be sent.
func TestAReadyIsWrittenDownAfterTheWaitForOthers(t *testing.T) {
	why, ended := "", errors.New("ended")
	for name, tc := range map[string]struct {
		before string // why nothing may be sent, before the wait
		during func(*stepNodes) error
		waits  int
		want   error
	}{
		"another driver locks gwat": {"", func(n *stepNodes) error { n.state.Activity = protocol.Prepared; return nil }, 1, protocol.ErrLockHeld},
		"another driver is seen":    {"", func(*stepNodes) error { why = "a competing driver"; return nil }, 1, ErrWriteInhibited},
		"the wait is ended":         {"", func(*stepNodes) error { return ended }, 1, ended},
		"nothing may be sent":       {"paused", func(*stepNodes) error { return nil }, 0, ErrWriteInhibited},
	} {
		t.Run(name, func(t *testing.T) {
			why = tc.before
			n, waits := &stepNodes{}, 0
			a := step(n, 0)
			a.Inhibit = func() string { return why }
			a.Reserve = func(context.Context) error {
				require.Nil(t, n.pending)
				waits++
				return tc.during(n)
			}
			require.ErrorIs(t, a.ready(t.Context(), []Entry{entry(32)}), tc.want)
			require.Equal(t, tc.waits, waits)
			require.Nil(t, n.pending)
			require.False(t, n.cleared, "it was never written down")
		})
	}
}
