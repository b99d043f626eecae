package protocol

import (
	"context"
	"errors"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient/guard"
)

// Era is one era of the protocol with one gwat. E is what a push is made of: a
// ConsensusInfo in the head-sync era, a dag_finalize in the coordinated one.
type Era[E any] interface {
	Reader
	// Driver returns the calls that change gwat, for the holder of a permit. With the zero
	// Permit each of them is guard.ErrNoPermit and sends nothing.
	Driver(guard.Permit) Driver[E]
	// ClassifyPending returns what became of a call whose answer was lost, and why. It
	// makes no call and has no clock. The loop of package pair calls it with each poll while
	// a call is pending, and sends nothing that changes gwat before the call is Over or, for
	// a Prepare, Accepted. Heals need no such wait: a dag_finalize may be repeated, and what
	// the coordinated era answers here says why.
	ClassifyPending(checkpoint.Pending, Seen) (Fate, string)
}

// Reader reads gwat's state.
type Reader interface {
	// State returns what gwat is doing. It changes nothing, and may be called by anybody
	// at any time, beside a Driver too. An error means that the state is not known: gwat
	// does not answer, or not as a gwat of this era does. A gwat that is busy is a State
	// and no error.
	State(ctx context.Context) (State, error)
}

// Driver makes the calls that change gwat. One goroutine uses it, and makes one call at
// a time, in the order Prepare, Push or Release, and Prepare again for the next batch;
// Complete when no Prepare is in force. The caller has written down what it is about to
// send (S1), and looks at the guard before Prepare and Complete, not before Push and
// Release, which bring to its end what was begun.
//
// An error says that the step was not seen to be done:
//
//   - gwatclient.ErrDown: nothing was sent; all is as it was before;
//   - gwatclient.PossiblyDone, or the end of ctx: gwat may have carried the call out, or
//     may do so later. It is pending, and ClassifyPending says when it is over;
//   - any other: gwat answered, and did nothing. The errors of this package say what it
//     means; any other error is reported, and the call is made again or not by its kind.
//
// The end of ctx ends the wait for an answer and not the call inside gwat.
type Driver[E any] interface {
	// Prepare makes gwat roll back to an entry's checkpoint and wait for what follows it.
	// After success a gwat that has a lock takes no other calls until Push or Release, or
	// until the lock runs out. ErrCheckpointRefused: gwat refuses this checkpoint; it may
	// accept an earlier one.
	Prepare(ctx context.Context, at E) error
	// Push sends what follows, oldest first, and releases the lock. Success is only what
	// gwat says: block reads must prove it. ErrNotPrepared: no Prepare is in force any
	// more, which is a sign of a competing driver. ErrIncomplete: gwat lacks a block. The
	// Mark is where gwat is afterwards; nil if gwat does not say it.
	Push(ctx context.Context, entries []E) (*Mark, error)
	// Release releases the lock of a Prepare without a push. Its errors are those of Push.
	Release(ctx context.Context) error
	// Complete ends a sync that gwat does not end by itself, at the beacon's head.
	Complete(ctx context.Context, head E) error
}

// Errors of both eras, beside those of gwatclient that say how a call failed.
var (
	// ErrRefused: gwat answered that it did not do it, without a reason.
	ErrRefused = failure.WithKind(failure.RetryLater, errors.New("gwat answered false"))
	// ErrNotPrepared: a Push without a Prepare in force.
	ErrNotPrepared = errors.New("gwat waits for no push")
	// ErrCheckpointRefused: gwat refuses a block as checkpoint although reads may show it
	// finalized.
	ErrCheckpointRefused = errors.New("gwat refuses the checkpoint")
	// ErrIncomplete: gwat lacks a block of what was pushed; it loads it from its peers.
	ErrIncomplete = errors.New("gwat lacks a block")
	// ErrBusy: gwat is in a synchronization of its own.
	ErrBusy = failure.WithKind(failure.RetryLater, errors.New("gwat is busy"))
	// ErrLockHeld: a Prepare is in force, of syncd or of another driver.
	ErrLockHeld = failure.WithKind(failure.RetryLater, errors.New("gwat's head-sync lock is held"))
)
