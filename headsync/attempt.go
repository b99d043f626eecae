package headsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// Errors of an attempt.
var (
	// ErrNotConfirmed: gwat said true, but block reads do not show what was pushed.
	ErrNotConfirmed = failure.WithKind(failure.Abort, errors.New("gwat did not finalize what was pushed"))
	// ErrWriteInhibited: a push is due, and nothing may be sent that changes gwat.
	ErrWriteInhibited = failure.WithKind(failure.RetryLater, errors.New("writing to gwat is inhibited"))
	// ErrHeadUnknown: no sufficiently recent head response before the push.
	ErrHeadUnknown = failure.WithKind(failure.Abort, errors.New("the beacon's head could not be read before the push"))
)

const (
	// proveChunk is how many entries are proved in one go.
	proveChunk = 256
	// tailRounds bounds how often an attempt follows a head that moves on; normal work
	// brings the rest.
	tailRounds = 4
)

// Phase of an attempt.
type Phase string

// The phases, in order.
const (
	PhaseCollecting Phase = "collecting"
	PhaseProving    Phase = "proving"
	PhaseReady      Phase = "ready"
	PhasePushing    Phase = "pushing"
	PhaseConfirming Phase = "confirming"
	PhaseDone       Phase = "done"
	PhaseFailed     Phase = "failed"
)

// Report says how far an attempt is.
type Report struct {
	Phase       Phase
	From, To    primitives.Slot
	Done, Total int     // entries that were pushed and confirmed, and all to be pushed as far as is known: one count over all rounds
	Accepted    bool    // with PhasePushing: a ready answered true or was taken over
	Push        []Entry // with PhasePushing: what is pushed, without the proven entries that a ready rolls back
	Note        string  // what an operator should know of it, "" if nothing
	Waiting     string  // what it waits for before it goes on, "" if for nothing
}

// Result of an attempt, whether it ended well or not.
type Result struct {
	Synced    bool // nothing had to be pushed
	Head      beaconclient.Header
	Pushed    int           // entries that were pushed and confirmed, counted as in Report
	Spines    []common.Hash // of the last push
	Confirmed *checkpoint.Confirmed
}

// Attempt is one head sync: prove how far gwat has the beacon's chain, then
// push what follows in batches, each with its own ready and each confirmed by
// block reads, until gwat is caught up with a head that moves on. While gwat works
// on a batch the next ones are collected. Everything slow is done before a
// ready, so that an accepted one is followed by its push at once. It makes one
// state-changing call at a time.
type Attempt struct {
	Number uint64
	Spec   checkpoint.Spec
	Now    func() time.Time
	// Report is called with how far the attempt is, in the attempt's goroutine.
	Report func(Report)
	Limits Limits
	// Throughput is gwat's speed as earlier attempts measured it; may be nil.
	Throughput *Throughput
	Nodes
	Orders

	course
	inForce *checkpoint.Pending // the ready that gwat has accepted
	sent    int                 // batches
	reads   sync.WaitGroup      // of blocks of gwat, beside what else is done
	early   *earlyTail          // of the first batch of a round, until it is used
	unread  *confirming         // of the last push, until its reads have begun
	result  Result
}

// Nodes are what an attempt reads and writes. Only Driver changes gwat.
type Nodes struct {
	// Reserve waits until nobody else's call runs in gwat, and keeps others away until the
	// push has ended; nil if nothing can. It is called before a ready is written down: what
	// gwat shows during the wait is not explained by a call of ours (S6).
	Reserve   func(context.Context) error
	Beacon    Chain
	Collector *Collector
	Gwat      Gwat
	Driver    Driver
	Ledger    Ledger
}

// Orders are where an attempt begins and what it may do.
type Orders struct {
	// PushFromCheckpoint begins at the last checkpoint whatever gwat has beyond it.
	PushFromCheckpoint bool
	// Inhibit returns why nothing may be sent that changes gwat, now; "" if it may.
	// It is asked before each ready. An attempt that may not send still finds out
	// whether gwat is caught up.
	Inhibit func() string
	// BeaconWorks: the beacon node does its normal work, and nothing holds its calls
	// while gwat's lock is held: each ready waits for a moment that meets no block.
	BeaconWorks bool
	// Takeover is a ready of an earlier attempt that gwat has accepted (S1).
	Takeover *checkpoint.Pending
	// Below, if not nil, is a slot from which on gwat may have another order than it
	// had, below the last checkpoint too: the attempt begins there or before.
	Below *primitives.Slot
	// Refused holds roots of checkpoints that gwat refused before.
	Refused map[common.Hash]bool
}

// course is how far an attempt is on the chain that it follows.
type course struct {
	chain  HeaderChain
	stream *EntryStream      // of what follows the position
	tip    <-chan headAnswer // the head for the next round, if it is being read already
	next   int               // how many blocks of the chain come before the first entry after the position
	pushed int               // entries after the position where the first push began
	pos    Position
}

// Run makes the attempt. Errors are of a kind; a state-changing call that may still
// be carried out by gwat stays in the ledger.
func (a *Attempt) Run(ctx context.Context) (Result, error) {
	a.Limits = a.Limits.complete()
	if a.BeaconWorks {
		a.Limits.Soft = min(a.Limits.Soft, a.Spec.SlotDuration()/batchesASlot)
	}
	if a.Throughput == nil {
		a.Throughput = &Throughput{}
	}
	a.inForce = a.Takeover
	ctx, cancel := context.WithCancel(ctx)
	err := a.run(ctx)
	cancel()
	a.closeStream()
	if a.tip != nil {
		<-a.tip
	}
	switch {
	case errors.Is(err, ErrInconsistent) || errors.Is(err, ErrReorg):
		a.Collector.Reset()
	case err != nil:
		// Another beacon node may answer at this address now, and the committees that were
		// read may be its: no block's root proves them.
		a.Collector.forgetCommittees()
	}
	return a.result, err
}

func (a *Attempt) run(ctx context.Context) error {
	if err := a.open(ctx); err != nil {
		return err
	}
	for round := 0; ; round++ {
		if err := a.round(ctx); err != nil {
			return err
		}
		a.PushFromCheckpoint = false
		reached := a.result.Head
		moved, err := a.follow(ctx)
		if err != nil || !moved || round == tailRounds {
			if moved {
				a.result.Head = reached // the newer head is left to normal work: gwat was not seen to have it
			}
			a.result.Synced = a.result.Pushed == 0 && !moved && err == nil
			return err
		}
	}
}

func (a *Attempt) closeStream() {
	if a.stream != nil {
		a.stream.Close()
		a.stream = nil
	}
}

// round goes from the position to the end of the chain: it skips what gwat has already and
// pushes the rest.
func (a *Attempt) round(ctx context.Context) error {
	if a.stream == nil {
		a.stream = a.Collector.Stream(ctx, a.chain, a.pos.Last.Slot()+1)
	}
	defer a.closeStream()
	unproven, known, err := a.prove(ctx, a.stream)
	if len(unproven) == 0 && a.Takeover != nil {
		err = errors.Join(err, a.release(ctx)) // nothing follows the ready in force
	}
	if err != nil || len(unproven) == 0 {
		return err
	}
	if why := a.Inhibit(); why != "" {
		return fmt.Errorf("%w: %s", ErrWriteInhibited, why)
	}
	return a.pushAll(ctx, a.stream, unproven, known)
}

// prove moves the position over what gwat has, and returns the first entries that
// it does not have, with what was read of their spines; no entries if it has all.
func (a *Attempt) prove(ctx context.Context, stream *EntryStream) ([]Entry, View, error) {
	for {
		chunk, err := a.chunk(stream)
		if err != nil || len(chunk) == 0 {
			return nil, View{}, err
		}
		if a.PushFromCheckpoint || a.Takeover != nil {
			return chunk, View{}, nil
		}
		view, err := ReadView(ctx, a.Gwat, chunk, a.pos.Number)
		if err != nil {
			return nil, View{}, err
		}
		base := a.pos.Number
		n := a.pos.Advance(chunk, view, a.Refused)
		a.next += n
		a.progress(PhaseProving)
		if view.Unread > 0 && n < len(chunk) {
			a.note(fmt.Sprintf("gwat states block numbers up to %d past block %d for slots %d to %d: more than are read, so what follows slot %d counts as unproven and is pushed",
				readNumbers+view.Unread, base, chunk[0].Slot(), chunk[len(chunk)-1].Slot(), a.pos.Last.Slot()))
		}
		if n < len(chunk) {
			return chunk[n:], view, nil
		}
	}
}

func (a *Attempt) chunk(stream *EntryStream) ([]Entry, error) {
	var out []Entry
	for len(out) < proveChunk {
		e, err := stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("collect after slot %d: %w", a.pos.Last.Slot(), err)
		}
		out = append(out, e)
	}
	a.progress(PhaseCollecting)
	return out, nil
}

// follow reads the head again and walks the chain up to it. It reports whether the chain has
// more entries now; ErrReorg if the position is not on it.
func (a *Attempt) follow(ctx context.Context) (bool, error) {
	if a.tip == nil {
		a.tip = a.readHead(ctx)
	}
	answer := <-a.tip
	a.tip = nil
	if answer.err != nil {
		return false, answer.err
	}
	head := answer.head
	chain, err := a.Collector.Chain(ctx, head, a.chain.from)
	if err != nil {
		return false, err
	}
	if chain.Canonical([]Entry{a.pos.Last}, a.chain) == 0 {
		return false, fmt.Errorf("%w: slot %d, which gwat has, is not on the chain of the head at slot %d", ErrReorg, a.pos.Last.Slot(), head.Slot)
	}
	a.chain, a.result.Head = chain, head
	left := chain.Count(a.pos.Last.Slot() + 1)
	a.next = chain.Len() - left
	return left > 0, nil
}

// report returns how far the attempt is. What gwat turns out to have already is not counted.
func (a *Attempt) report(phase Phase) Report {
	return Report{
		Phase: phase, From: a.pos.Last.Slot(), To: a.chain.Tip().Slot,
		Done: a.pushed, Total: a.pushed + max(a.chain.Len()-a.next, 0),
	}
}

// note reports something unusual, with how far the attempt is.
func (a *Attempt) note(text string) {
	r := a.report(PhaseProving)
	r.Note = text
	a.Report(r)
}

// progress reports how far the attempt is.
func (a *Attempt) progress(phase Phase) { a.Report(a.report(phase)) }

// pushing reports that gwat has accepted a ready and that push follows.
func (a *Attempt) pushing(push []Entry) {
	r := a.report(PhasePushing)
	r.Accepted, r.Push = true, push[min(len(a.pos.Rest), len(push)):]
	a.Report(r)
}
