package failure

import (
	"context"
	"errors"
	"fmt"
)

// The kinds. Every error that leaves a client, headsync or pair is of one of
// them; an error of none is treated as RetryLater.
var (
	// RetryNow: the call may be made again at once (a cut connection, a block
	// that was reorganised away between two reads).
	RetryNow = errors.New("retry now")
	// RetryLater: the node is not there yet (down, still synchronizing, locked).
	RetryLater = errors.New("retry later")
	// Abort: what was prepared is no longer worth anything (a reorg,
	// a refused push); the attempt starts again from what the nodes are now.
	Abort = errors.New("restart the attempt")
	// NeedsHuman: no retry heals it (wrong network, wrong secret).
	NeedsHuman = errors.New("needs a human")
)

// kinds is ordered by gravity: the gravest kind in a chain counts.
var kinds = []struct {
	kind error
	name string
}{
	{NeedsHuman, "needs_human"},
	{Abort, "restart_attempt"},
	{RetryLater, "retry_later"},
	{RetryNow, "retry_now"},
}

type kinded struct {
	kind error
	err  error
}

func (k *kinded) Error() string   { return k.err.Error() }
func (k *kinded) Unwrap() []error { return []error{k.kind, k.err} }

// WithKind marks err as being of kind; nil stays nil.
func WithKind(kind, err error) error {
	if err == nil {
		return nil
	}
	return &kinded{kind: kind, err: err}
}

// Newf builds an error of kind.
func Newf(kind error, format string, args ...any) error {
	return &kinded{kind: kind, err: fmt.Errorf(format, args...)}
}

// Kind returns the gravest kind of err; RetryLater if it has none, nil for nil.
func Kind(err error) error {
	if err == nil {
		return nil
	}
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			return k.kind
		}
	}
	return RetryLater
}

// Name returns the kind of err as the status and metrics have it:
// "retry_now", "retry_later", "restart_attempt", "needs_human"; "" for nil.
func Name(err error) string {
	kind := Kind(err)
	for _, k := range kinds {
		if k.kind == kind {
			return k.name
		}
	}
	return ""
}

// Canceled reports whether err comes from our own cancelled context, which is no
// failure of a node.
func Canceled(err error) bool { return errors.Is(err, context.Canceled) }
