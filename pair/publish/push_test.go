package publish

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/poll"
)

// entries are of these slots; the last spine of each is its slot.
func entries(slots ...byte) []headsync.Entry {
	var out []headsync.Entry
	for _, slot := range slots {
		out = append(out, headsync.Entry{Info: checkpoint.ConsensusInfo{Slot: primitives.Slot(slot), Finalizing: []common.Hash{{slot}}}})
	}
	return out
}

// pollOf is a poll that began at a time and found gwat's last finalized block to be the
// spine of a slot.
func pollOf(began time.Time, slot byte) *poll.Observation {
	o := &poll.Observation{Began: began, At: began}
	o.Gwat.Latest = &gwatclient.Block{Hash: common.Hash{slot}}
	return o
}

// gwat had finalized past the checkpoint by its own sync, two batches are pushed, and the
// head moves on meanwhile: the count of the push never falls, and is full only at the end.
func TestAPushIsOneCount(t *testing.T) {
	at := time.Unix(1000, 0)
	var p Push
	now, before := at, uint64(0)
	shows := func(phase headsync.Phase, done, target uint64) {
		t.Helper()
		s := p.Status(now)
		require.Equal(t, []any{string(phase), done, target}, []any{s.Phase, s.Progress.Current, s.Progress.Target})
		require.GreaterOrEqual(t, done, before)
		before = done
	}
	report := func(r headsync.Report) {
		now = now.Add(time.Second)
		p.Report(r, now, now)
	}
	observe := func(o *poll.Observation) {
		p.Observe(o)
		p.Observe(o)
	}
	p.Begin()
	report(headsync.Report{Phase: headsync.PhaseCollecting, Total: 9})
	shows(headsync.PhaseCollecting, 0, 9)
	report(headsync.Report{Phase: headsync.PhaseProving, Total: 4})
	shows(headsync.PhaseProving, 0, 4)
	report(headsync.Report{Phase: headsync.PhaseReady, Total: 4})
	stale := pollOf(now, 3)
	report(headsync.Report{Phase: headsync.PhasePushing, Total: 4, Accepted: true, Push: entries(1, 2, 3)})
	observe(stale)
	shows(headsync.PhasePushing, 0, 4)
	observe(pollOf(now.Add(time.Millisecond), 2))
	shows(headsync.PhasePushing, 2, 4)
	report(headsync.Report{Phase: headsync.PhaseConfirming, Total: 4})
	shows(headsync.PhaseConfirming, 2, 4)
	report(headsync.Report{Phase: headsync.PhaseReady, Done: 3, Total: 4})
	report(headsync.Report{Phase: headsync.PhasePushing, Done: 3, Total: 4, Accepted: true, Push: entries(4)})
	observe(pollOf(now.Add(time.Millisecond), 4))
	shows(headsync.PhasePushing, 3, 4) // gwat has not answered yet
	report(headsync.Report{Phase: headsync.PhaseConfirming, Done: 4, Total: 4})
	shows(headsync.PhaseConfirming, 4, 4)
	report(headsync.Report{Phase: headsync.PhaseCollecting, Done: 4, Total: 6})
	shows(headsync.PhaseCollecting, 4, 6)
	require.Equal(t, at.Add(time.Second), p.Status(now).Started, "it is the same push")
	report(headsync.Report{Phase: headsync.PhasePushing, Done: 4, Total: 6, Accepted: true, Push: entries(5, 6)})
	observe(pollOf(now.Add(time.Millisecond), 4))
	observe(pollOf(now.Add(time.Millisecond), 99))
	shows(headsync.PhasePushing, 4, 6)
	p.Done(6)
	shows(headsync.PhaseDone, 6, 6)
	p.Begin()
	report(headsync.Report{Phase: headsync.PhaseCollecting, Total: 2})
	before = 0
	shows(headsync.PhaseCollecting, 0, 2)
}

func TestTheEstimateOfAPushIsLeftOutWhenItsTimeHasPassed(t *testing.T) {
	at := time.Unix(1000, 0)
	var p Push
	p.Report(headsync.Report{Phase: headsync.PhasePushing, Total: 10, Accepted: true, Push: entries(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)}, at, at)
	for i := range 5 {
		p.Observe(pollOf(at.Add(time.Duration(i+1)*time.Second), byte(i+1)))
	}
	moved := at.Add(5 * time.Second)
	eta := *p.Status(moved).Progress.ETA
	require.WithinDuration(t, moved.Add(5*time.Second), eta, 500*time.Millisecond)
	p.Observe(pollOf(moved.Add(3*time.Second), 5))
	require.Equal(t, eta, *p.Status(moved.Add(3 * time.Second)).Progress.ETA, "it does not run away while nothing moves")
	require.Nil(t, p.Status(eta.Add(time.Second)).Progress.ETA)
	p.Observe(pollOf(eta.Add(time.Second), 5))
	require.Nil(t, p.Status(eta.Add(time.Second)).Progress.ETA)
	p.Observe(pollOf(eta.Add(2*time.Second), 6))
	require.NotNil(t, p.Status(eta.Add(2*time.Second)).Progress.ETA, "once it moves there is one again")
}

// A poll counts while gwat works on a push, and only what it shows to be finalized.
func TestWhatAPollShowsOfAPush(t *testing.T) {
	at := time.Unix(1000, 0)
	var p Push
	report := func(phase headsync.Phase, after time.Duration) {
		now := at.Add(after)
		p.Report(headsync.Report{Phase: phase, Total: 9, Accepted: phase == headsync.PhasePushing, Push: entries(1, 2, 3)}, now, now)
	}
	shows := func(done uint64, why string) {
		t.Helper()
		require.Equal(t, done, p.Status(at).Progress.Current, why)
	}
	report(headsync.PhasePushing, 0)
	p.Observe(nil)
	p.Observe(&poll.Observation{Began: at.Add(time.Second)})
	shows(0, "no block was read")
	p.Observe(pollOf(at.Add(time.Second), 99))
	p.Observe(pollOf(at.Add(3*time.Second), 1))
	shows(1, "the first")
	require.InDelta(t, 1.0/3, p.Status(at).Progress.Rate, 0.001, "a block that is not pushed shows nothing of the pace")
	p.Observe(pollOf(at.Add(4*time.Second), 2))
	shows(2, "the second")
	moving := p.Status(at).Progress.Rate
	p.Observe(pollOf(at.Add(5*time.Second), 2))
	require.Less(t, p.Status(at).Progress.Rate, moving, "standing still does")
	p.Observe(pollOf(at.Add(6*time.Second), 1))
	shows(2, "it never falls")
	report(headsync.PhaseConfirming, 7*time.Second)
	p.Observe(pollOf(at.Add(8*time.Second), 3))
	shows(2, "gwat has answered, and the reads say what it has")
}

// Before the first batch the push begins where the attempt is; then it stays.
func TestWhereAPushBegins(t *testing.T) {
	at := time.Unix(1000, 0)
	var p Push
	from := func(r headsync.Report) primitives.Slot {
		r.Total = 9
		p.Report(r, at, at)
		return p.Status(at).From
	}
	require.EqualValues(t, 3, from(headsync.Report{Phase: headsync.PhaseCollecting, From: 3}))
	require.EqualValues(t, 5, from(headsync.Report{Phase: headsync.PhaseProving, From: 5}))
	require.EqualValues(t, 5, from(headsync.Report{Phase: headsync.PhasePushing, From: 5, Accepted: true, Push: entries(6)}))
	require.EqualValues(t, 5, from(headsync.Report{Phase: headsync.PhaseConfirming, From: 6}))
	p.Begin()
	require.EqualValues(t, 7, from(headsync.Report{Phase: headsync.PhaseCollecting, From: 7}))
}

func TestAnAttemptCollectsUntilItIsReady(t *testing.T) {
	at := time.Unix(1000, 0)
	for phase, want := range map[headsync.Phase]bool{
		headsync.PhaseCollecting: true, headsync.PhaseProving: true, headsync.PhaseReady: false, headsync.PhasePushing: false,
		headsync.PhaseConfirming: false,
	} {
		var p Push
		p.Report(headsync.Report{Phase: phase}, at, at)
		require.Equal(t, want, p.Collecting(), phase)
	}
}

// The pace of an attempt is its own: how long the one before stood still is nothing to it.
func TestEachAttemptIsMeasuredByItself(t *testing.T) {
	at := time.Unix(1000, 0)
	var p Push
	report := func(done int, after time.Duration) {
		now := at.Add(after)
		p.Report(headsync.Report{Phase: headsync.PhaseConfirming, Done: done, Total: 9}, now, now)
	}
	p.Begin()
	for i := range 5 {
		report(0, time.Duration(i)*time.Second)
	}
	p.Begin()
	report(0, 10*time.Second)
	report(2, 11*time.Second)
	require.InDelta(t, 2, p.Status(at).Progress.Rate, 0.001)
}

// The last entry of a push counts with gwat's answer, not before; those before it do.
func TestTheLastEntryCountsWithTheAnswer(t *testing.T) {
	at := time.Unix(1000, 0)
	var p Push
	p.Report(headsync.Report{Phase: headsync.PhasePushing, Total: 3, Accepted: true, Push: entries(1, 2, 3)}, at, at)
	p.Observe(pollOf(at.Add(time.Second), 3))
	require.EqualValues(t, 2, p.Status(at).Progress.Current)
}
