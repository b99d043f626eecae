package headsync

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/protocol"
)

// headAge is how old the head response may be when a push is sent (S3).
const headAge = time.Second

// releaseTime is how long a release of the lock may take.
const releaseTime = 2 * time.Second

// pushAll pushes first and the rest of the stream, batch by batch. The next batches are made
// while gwat works on one. Capacity of them are in memory, with the one that is being made and
// the one that is being pushed.
func (a *Attempt) pushAll(ctx context.Context, stream *EntryStream, first []Entry, known View) error {
	attempt := ctx
	ctx, cancel := context.WithCancel(ctx)
	var batcher sync.WaitGroup
	defer batcher.Wait()
	defer stream.Close() // or the batcher would first collect its current batch
	defer a.reads.Wait()
	defer cancel()
	batches := make(chan checkedBatch, max(0, a.Limits.Capacity-2))
	var measured sync.Mutex // the batcher reads the throughput that the pusher measures
	size := func() int { measured.Lock(); defer measured.Unlock(); return a.Throughput.Entries(a.Limits.Soft) }
	batcher.Go(func() {
		defer close(batches)
		a.makeBatches(ctx, stream, first, known, size, batches)
	})
	a.early = a.captureEarly(ctx)
	var last *confirming
	for {
		c, more := a.nextBatch(batches, last)
		if !more {
			break
		}
		if a.Takeover != nil && len(c.entries) == 0 {
			if err := a.release(ctx); err != nil { // nothing can follow the ready in force
				c.err = errors.Join(c.err, err)
			}
		}
		if c.err != nil {
			return errors.Join(c.err, a.confirmed(last))
		}
		if len(c.entries) > 0 {
			took, n, next, err := a.pushBatch(ctx, c.entries)
			if lastErr := a.confirmed(last); lastErr != nil {
				return lastErr // the channel is not read any more
			}
			last = next
			measured.Lock()
			if err == nil {
				a.Throughput.Observe(n, took)
			} else if took >= a.Limits.Hard && a.Limits.Hard > 0 {
				a.Throughput.Failed(n, took)
			}
			measured.Unlock()
			if err != nil {
				return errors.Join(err, a.confirmed(last))
			}
		}
		if c.missing != nil {
			return errors.Join(c.missing, a.confirmed(last))
		}
	}
	if last != nil {
		a.tip = a.readHead(attempt)
	}
	return errors.Join(a.confirmed(last), ctx.Err())
}

// nextBatch returns the next batch. While it is not ready, the last push is read back.
func (a *Attempt) nextBatch(batches <-chan checkedBatch, last *confirming) (c checkedBatch, more bool) {
	select {
	case c, more = <-batches:
		return c, more
	default:
	}
	if last != nil {
		last.begin()
	}
	c, more = <-batches
	return c, more
}

// pushBatch makes gwat ready at the position, pushes entries, and moves the position over
// them once their last spine is finalized. Whether all of them were applied is read while
// gwat works on the next batch (see confirming). It returns how long gwat took for how many
// entries.
func (a *Attempt) pushBatch(ctx context.Context, entries []Entry) (time.Duration, int, *confirming, error) {
	waited, err := a.awaitMoment(ctx, len(a.pos.Rest)+len(entries))
	if err != nil {
		return 0, 0, nil, err
	}
	if a.sent > 0 || waited && !a.PushFromCheckpoint { // else it was proved a moment ago
		rest, err := a.skipFinal(ctx, entries)
		if err != nil || len(rest) == 0 {
			return 0, 0, nil, err
		}
		entries = rest
	}
	push := append(a.pos.Rest[:len(a.pos.Rest):len(a.pos.Rest)], entries...)
	before, err := a.tailBefore(ctx, waited)
	if err != nil {
		return 0, 0, nil, errors.Join(err, a.release(ctx)) // of a ready taken over
	}
	if a.Takeover != nil {
		err = a.stillInForce(ctx)
	} else {
		err = a.ready(ctx, push)
	}
	if err != nil {
		return 0, 0, nil, err
	}
	took, push, err := a.push(ctx, push)
	if err != nil && len(push) == 0 {
		return took, len(entries), nil, err
	}
	a.Takeover, a.inForce = nil, nil
	a.sent++
	a.progress(PhaseConfirming)
	next, confirmErr := a.confirm(ctx, before, push)
	if confirmErr == nil {
		a.progress(PhaseConfirming)
	}
	return took, len(push), next, errors.Join(err, confirmErr)
}

// skipFinal moves the position over what the beacon's own calls have finalized meanwhile: the
// lock is free between two batches.
func (a *Attempt) skipFinal(ctx context.Context, entries []Entry) ([]Entry, error) {
	latest, err := a.Gwat.Latest(ctx)
	if err != nil {
		return nil, fmt.Errorf("read gwat's last finalized block: %w", err)
	}
	if latest.Number == nil || *latest.Number <= a.pos.Number {
		return entries, nil
	}
	view, err := ReadView(ctx, a.Gwat, entries, a.pos.Number)
	if err != nil {
		return nil, err
	}
	n := a.pos.Advance(entries, view, a.Refused)
	a.next += n
	return entries[n:], nil
}

// stillInForce asks gwat whether the ready that is taken over is still in force: opening and
// proving may have taken longer than its lock, which a competing driver may hold now (S1).
func (a *Attempt) stillInForce(ctx context.Context) error {
	state, err := a.Gwat.State(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("read eth_syncing: %w", err), a.release(ctx))
	}
	if state.Activity == protocol.Prepared {
		latest, err := a.Gwat.Latest(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("read gwat's last finalized block: %w", err), a.release(ctx))
		}
		if latest.Hash == a.Takeover.Spine {
			return nil
		}
	}
	slot := a.Takeover.Slot
	a.Takeover, a.inForce = nil, nil
	a.Ledger.ClearPending()
	return fmt.Errorf("%w: the ready at slot %d, which was to be taken over, holds no longer", protocol.ErrBusy, slot)
}

// ready makes gwat roll back to the position's checkpoint and wait for the push.
func (a *Attempt) ready(ctx context.Context, push []Entry) error {
	if err := a.reserve(ctx); err != nil {
		return err
	}
	if a.sent == 0 {
		state, err := a.Gwat.State(ctx)
		if err != nil {
			return fmt.Errorf("read eth_syncing: %w", err)
		}
		if err := state.MayBegin(); err != nil {
			return err
		}
	}
	if why := a.Inhibit(); why != "" {
		return fmt.Errorf("%w: %s", ErrWriteInhibited, why)
	}
	info, root := a.pos.Info()
	a.progress(PhaseReady)
	pending := a.pending(checkpoint.CallReady, push)
	a.Ledger.SetPending(pending)
	if why := a.Inhibit(); why != "" { // the disk may have been slow
		a.Ledger.ClearPending()
		return fmt.Errorf("%w: %s", ErrWriteInhibited, why)
	}
	callCtx, cancel := a.callContext(ctx)
	defer cancel()
	err := a.Driver.Prepare(callCtx, info)
	if err != nil {
		a.settle(err)
		if errors.Is(err, protocol.ErrCheckpointRefused) {
			return &RefusedCheckpoint{Root: root, Err: err}
		}
		return err
	}
	a.inForce = &pending
	return nil
}

// reserve waits for the calls of others, for as long as a call may take. An attempt that may
// send nothing holds nobody up.
func (a *Attempt) reserve(ctx context.Context) error {
	if a.Reserve == nil || a.Inhibit() != "" {
		return nil
	}
	ctx, cancel := a.callContext(ctx)
	defer cancel()
	return a.Reserve(ctx)
}

// release releases gwat's lock, so that gwat does not refuse normal calls until the lock runs
// out. It still runs for a moment after the attempt was cancelled. Its only error is that gwat
// no longer waited for a push, which is a sign of a competing driver.
func (a *Attempt) release(ctx context.Context) error {
	if a.inForce == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	err := a.Driver.Release(ctx)
	switch {
	case errors.Is(err, gwatclient.ErrDown):
		a.Ledger.SetPending(*a.inForce) // not sent, so the ready is still in force
	case err == nil || !gwatclient.PossiblyDone(err):
		a.Ledger.ClearPending()
	}
	a.Takeover, a.inForce = nil, nil
	if errors.Is(err, protocol.ErrNotPrepared) {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}

func (a *Attempt) callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.Limits.Hard <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, a.Limits.Hard)
}

// RefusedCheckpoint is the error of a block that gwat refuses as checkpoint although reads show
// it finalized; the next attempt begins at the one before.
type RefusedCheckpoint struct {
	Root common.Hash
	Err  error
}

func (r *RefusedCheckpoint) Error() string { return r.Err.Error() }

// Unwrap returns gwat's answer.
func (r *RefusedCheckpoint) Unwrap() error { return r.Err }

// settle clears the pending call unless gwat may still carry it out.
func (a *Attempt) settle(err error) {
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if gwatclient.PossiblyDone(err) || ended && !errors.Is(err, gwatclient.ErrDown) {
		return
	}
	a.Ledger.ClearPending()
}

func (a *Attempt) pending(call string, push []Entry) checkpoint.Pending {
	info, root := a.pos.Info()
	p := checkpoint.Pending{Call: call, Attempt: a.Number, Slot: info.Slot, Root: root, SentAt: a.Now()}
	p.Spine, _ = info.LastSpine()
	for _, e := range push {
		if spine, has := e.Info.LastSpine(); has {
			p.LastSpine = spine
		}
	}
	return p
}

// push sends what is still canonical (S3). It returns what gwat applied, and an
// error if that is not all: the attempt then ends.
func (a *Attempt) push(ctx context.Context, entries []Entry) (time.Duration, []Entry, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, errors.Join(err, a.release(ctx))
	}
	read := a.readHead(ctx)
	// The journal is written before the call, and before the report, on which the owner writes
	// to it too. A head response that is too old when the disk is done is read again.
	a.Ledger.SetPending(a.pending(checkpoint.CallPush, entries))
	a.pushing(entries)
	push, cause := a.freshest(ctx, entries, read)
	if cause != nil && len(push) == 0 {
		return 0, nil, errors.Join(cause, a.release(ctx))
	}
	if err := CheckLinked(push); err != nil {
		return 0, nil, errors.Join(failure.WithKind(failure.Abort, err), a.release(ctx))
	}
	callCtx, cancel := a.callContext(ctx)
	defer cancel()
	if a.unread != nil {
		a.unread.begin() // while gwat works
		a.unread = nil
	}
	begin := a.Now()
	_, err := a.Driver.Push(callCtx, Infos(push))
	took := a.Now().Sub(begin)
	if err != nil {
		a.settle(err)
		if errors.Is(err, gwatclient.ErrDown) && a.inForce != nil {
			a.Ledger.SetPending(*a.inForce) // not sent, so the ready is still in force
		}
		return took, nil, err
	}
	a.Ledger.ClearPending()
	return took, push, cause
}

// freshest returns the entries that are canonical by a head response at most headAge old. The
// error says why some of them, or all, were cut off.
func (a *Attempt) freshest(ctx context.Context, entries []Entry, read <-chan headAnswer) ([]Entry, error) {
	var last error
	for range 3 {
		if read == nil {
			read = a.readHead(ctx)
		}
		push, answered, err := a.stillCanonical(ctx, entries, <-read)
		read = nil
		if answered.IsZero() {
			last = err
			continue
		}
		if a.Now().Sub(answered) <= headAge {
			return push, err
		}
		last = errors.New("the answer was too old when the push could be sent")
	}
	return nil, fmt.Errorf("%w: %w", ErrHeadUnknown, last)
}

// stillCanonical cuts entries at the fork if the beacon left their chain, and returns
// when the head's response came; the zero time if none came.
func (a *Attempt) stillCanonical(ctx context.Context, entries []Entry, read headAnswer) ([]Entry, time.Time, error) {
	head, answered, err := read.head, read.at, read.err
	if err != nil {
		return nil, time.Time{}, err
	}
	if head.Root == a.chain.Tip().Root {
		return entries, answered, nil
	}
	chain, err := a.Collector.Chain(ctx, head, a.chain.from)
	if err != nil {
		return nil, time.Time{}, err
	}
	if n := chain.Canonical(entries, a.chain); n < len(entries) {
		return entries[:n], answered, fmt.Errorf("%w: canonical when sent: %s", ErrReorg, counted.Part(n, len(entries), "entry"))
	}
	return entries, answered, nil
}
