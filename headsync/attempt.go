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
	// ErrRefused: gwat answered false; the first versions did so for "not yet".
	ErrRefused = failure.WithKind(failure.RetryLater, errors.New("gwat answered false"))
	// ErrNotConfirmed: gwat said true, but block reads do not show what was pushed.
	ErrNotConfirmed = failure.WithKind(failure.Abort, errors.New("gwat did not finalize what was pushed"))
	// ErrBusy: gwat is in a synchronization of its own or holds a lock.
	ErrBusy = failure.WithKind(failure.RetryLater, errors.New("gwat is busy"))
	// ErrLockHeld: gwat is in stage head, and not by a call of this attempt.
	ErrLockHeld = failure.WithKind(failure.RetryLater, errors.New("gwat's head-sync lock is held"))
	// ErrHandsOff: a push is due, and syncd keeps its hands off.
	ErrHandsOff = failure.WithKind(failure.RetryLater, errors.New("hands off"))
	// ErrHeadUnknown: no head answer young enough was had before the push.
	ErrHeadUnknown = failure.WithKind(failure.Abort, errors.New("the beacon's head could not be read before the push"))
)

const (
	// proveChunk is how many entries are proved in one go.
	proveChunk = 256
	// tailRounds bounds how often an attempt follows a head that moves on; what
	// then is left, normal work supplies.
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

// Report tells the owner of an attempt how far it is.
type Report struct {
	Phase       Phase
	From, To    primitives.Slot
	Done, Total int     // entries, of those after the position where it began
	Accepted    bool    // with PhasePushing: a ready answered true or was taken over
	Push        []Entry // with PhasePushing: what is pushed
	Note        string  // what an operator should know of it, "" if nothing
	Waiting     string  // what it waits for before it goes on, "" if for nothing
}

// Result of an attempt, whether it ended well or not.
type Result struct {
	Synced    bool // nothing had to be pushed
	Head      beaconclient.Header
	Pushed    int           // entries that were pushed and confirmed
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
	Number    uint64
	Spec      checkpoint.Spec
	Beacon    Chain
	Collector *Collector
	Gwat      Gwat
	Driver    Driver
	Ledger    Ledger
	Now       func() time.Time
	// Report is told how far the attempt is, in its own goroutine.
	Report func(Report)
	Limits Limits
	// Throughput is gwat's speed as earlier attempts measured it; may be nil.
	Throughput *Throughput
	// PushFromCheckpoint begins at the last checkpoint whatever gwat has beyond it.
	PushFromCheckpoint bool
	// HandsOff says why nothing may be sent that changes gwat, now; "" if it may.
	// It is asked before each ready. An attempt that may not send still finds out
	// whether gwat is caught up.
	HandsOff func() string
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

	chain   HeaderChain
	stream  *EntryStream      // of what follows the position
	tip     <-chan headAnswer // the head for the next round, if it is being read already
	next    int               // how many blocks of the chain come before the first entry after the position
	pos     Position
	start   int                 // of next, when the round began
	inForce *checkpoint.Pending // the ready that gwat has accepted
	sent    int                 // batches
	reads   sync.WaitGroup      // of blocks of gwat, beside what else is done
	early   *earlyTail          // of the first batch of a round, until it is used
	unread  *confirming         // of the last push, until its reads have begun
	result  Result
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
	if errors.Is(err, ErrInconsistent) || errors.Is(err, ErrReorg) {
		a.Collector.Reset()
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

// open reads the head, names the chain up to it, and finds where to begin.
func (a *Attempt) open(ctx context.Context) error {
	read := a.readHead(ctx)
	justified, justifiedErr := a.justified(ctx)
	answer := <-read
	if answer.err != nil {
		return answer.err
	}
	head := answer.head
	a.result.Head = head
	if justifiedErr != nil {
		return justifiedErr
	}
	var err error
	if a.Takeover != nil {
		return a.openTakeover(ctx, head)
	}
	if a.Below == nil {
		err = a.openAt(ctx, head, min(justified, head.Slot), justified)
		if !errors.Is(err, ErrNoAnchor) {
			return err
		}
	}
	// gwat does not stand at the last checkpoint: look below it, from some epochs
	// before its last finalized block, and ever further down.
	latest, err := a.Gwat.Latest(ctx)
	if err != nil {
		return fmt.Errorf("read gwat's last finalized block: %w", err)
	}
	from := min(justified, latest.Slot, head.Slot)
	if a.Below != nil {
		from = min(from, *a.Below)
	}
	for step := primitives.Slot(2 * a.Spec.SlotsPerEpoch); ; step *= 2 {
		upTo := from
		from -= min(from, step)
		err := a.openBelow(ctx, head, from, min(justified, upTo+step))
		if !errors.Is(err, ErrNoAnchor) || from == 0 {
			return err
		}
	}
}

// head reads the beacon's head. One that lies in the future would have us walk as
// far down as the node likes to answer.
func (a *Attempt) head(ctx context.Context) (beaconclient.Header, error) {
	head, err := a.Beacon.Header(ctx, beaconclient.Head)
	if err != nil {
		return head, fmt.Errorf("read the beacon's head: %w", err)
	}
	if clock := a.Spec.SlotAt(a.Now()); head.Slot > clock+1 {
		return head, fmt.Errorf("%w: the head is at slot %d, the clock at slot %d", ErrInconsistent, head.Slot, clock)
	}
	return head, nil
}

// headAnswer is what the beacon said of its head, and when.
type headAnswer struct {
	head beaconclient.Header
	at   time.Time
	err  error
}

// readHead reads the head beside what else is done; the answer comes once.
func (a *Attempt) readHead(ctx context.Context) <-chan headAnswer {
	out := make(chan headAnswer, 1)
	go func() {
		head, err := a.head(ctx)
		out <- headAnswer{head, a.Now(), err}
	}()
	return out
}

// openTakeover begins at the checkpoint of the ready that is in force. If the
// beacon has left it nothing can follow it, and the lock is given back.
func (a *Attempt) openTakeover(ctx context.Context, head beaconclient.Header) error {
	slot := a.Takeover.Slot
	err := a.openAt(ctx, head, slot, slot)
	if errors.Is(err, ErrNoAnchor) {
		return errors.Join(fmt.Errorf("%w: the checkpoint at slot %d of the ready in force", ErrReorg, slot), a.release(ctx))
	}
	return err
}

// openAt makes the newest usable block of the slots from to upTo the position.
func (a *Attempt) openAt(ctx context.Context, head beaconclient.Header, from, upTo primitives.Slot) error {
	return a.openBy(ctx, head, from, upTo, func(entries []Entry, view View) (Position, bool) {
		pos, ok := Anchor(entries, upTo, view)
		_, root := pos.Info()
		return pos, ok && (a.Takeover == nil || root == a.Takeover.Root)
	})
}

// openBelow makes the oldest one the position: what follows it is proved.
func (a *Attempt) openBelow(ctx context.Context, head beaconclient.Header, from, upTo primitives.Slot) error {
	return a.openBy(ctx, head, from, upTo, OldestAnchor)
}

func (a *Attempt) openBy(ctx context.Context, head beaconclient.Header, from, upTo primitives.Slot, anchor func([]Entry, View) (Position, bool)) error {
	warmed := a.Collector.warm(ctx, from, head.Slot) // both take a while
	chain, err := a.Collector.Chain(ctx, head, from)
	<-warmed
	if err != nil {
		return fmt.Errorf("name the blocks from slot %d to %d: %w", from, head.Slot, err)
	}
	a.chain = chain
	stream := a.Collector.Stream(ctx, chain, from)
	entries, err := stream.upTo(upTo)
	if err == nil && len(entries) == 0 {
		err = ErrNoAnchor
	} else if err != nil {
		err = fmt.Errorf("collect slots %d to %d: %w", from, upTo, err)
	}
	var pos Position
	if err == nil {
		pos, err = a.anchored(ctx, entries, anchor)
	}
	if err != nil {
		stream.Close()
		return err
	}
	a.pos = pos
	for a.next = 0; entries[a.next].Root != pos.Last.Root; {
		a.next++
	}
	a.next++
	stream.unread(entries[a.next:])
	a.stream = stream // it reads ahead already
	a.Collector.Forget(from)
	return nil
}

func (a *Attempt) anchored(ctx context.Context, entries []Entry, anchor func([]Entry, View) (Position, bool)) (Position, error) {
	view, err := ReadSpines(ctx, a.Gwat, entries)
	if err != nil {
		return Position{}, err
	}
	pos, ok := anchor(entries, view)
	if !ok {
		return pos, fmt.Errorf("%w from slot %d to %d", ErrNoAnchor, entries[0].Slot(), entries[len(entries)-1].Slot())
	}
	return pos, nil
}

func (a *Attempt) closeStream() {
	if a.stream != nil {
		a.stream.Close()
		a.stream = nil
	}
}

// justified is the slot of the beacon's last checkpoint; 0 before there is one.
func (a *Attempt) justified(ctx context.Context) (primitives.Slot, error) {
	fin, err := a.Beacon.Finality(ctx, beaconclient.StateHead)
	if err != nil {
		return 0, fmt.Errorf("read the last checkpoint: %w", err)
	}
	if fin.CurrentJustified.IsGenesis() {
		return 0, nil
	}
	h, err := a.Beacon.Header(ctx, beaconclient.AtRoot(fin.CurrentJustified.Root))
	if err != nil {
		return 0, fmt.Errorf("read the block of the last checkpoint: %w", err)
	}
	return h.Slot, nil
}

// round goes from the position to the end of the chain: it passes what gwat has
// already and pushes the rest.
func (a *Attempt) round(ctx context.Context) error {
	if a.stream == nil {
		a.stream = a.Collector.Stream(ctx, a.chain, a.pos.Last.Slot()+1)
	}
	defer a.closeStream()
	a.start = a.next
	unproven, known, err := a.prove(ctx, a.stream)
	if len(unproven) == 0 && a.Takeover != nil {
		err = errors.Join(err, a.release(ctx)) // nothing follows the ready in force
	}
	if err != nil || len(unproven) == 0 {
		return err
	}
	if why := a.HandsOff(); why != "" {
		return fmt.Errorf("%w: %s", ErrHandsOff, why)
	}
	return a.pushAll(ctx, a.stream, unproven, known)
}

// prove moves the position over what gwat has, and returns the first entries that
// it does not have, with what was read of their spines; none if it has all.
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
		a.tell(PhaseProving, nil)
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
	a.tell(PhaseCollecting, nil)
	return out, nil
}

// follow reads the head again and names the chain up to it; true if there is more
// to go over now, ErrReorg if the position is not on it.
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

// total is how many entries the round has, never less than are done.
func (a *Attempt) total() int { return max(a.chain.Len(), a.next) - a.start }

// note reports what is odd, beside how far the attempt is.
func (a *Attempt) note(text string) {
	a.Report(Report{
		Phase: PhaseProving, From: a.pos.Last.Slot(), To: a.chain.Tip().Slot,
		Done: a.next - a.start, Total: a.total(), Note: text,
	})
}

// tell reports how far the attempt is beyond the position where it began.
func (a *Attempt) tell(phase Phase, push []Entry) {
	r := Report{Phase: phase, From: a.pos.Last.Slot(), To: a.chain.Tip().Slot, Done: a.next - a.start, Total: a.total()}
	if phase == PhasePushing {
		r.Accepted, r.Push = true, push
	}
	a.Report(r)
}
