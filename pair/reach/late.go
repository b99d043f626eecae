package reach

import (
	"context"
	"time"
)

// Late reads one node for polls that follow each other. A node that hangs does not take the
// time of the other one: once a read had no answer in time, a poll waits for the next one a
// while only, and a later poll takes its answer. The zero value is ready for use, by one
// goroutine.
type Late[T any] struct {
	silent error // of the newest read, if it had no answer in time
	begun  time.Time
	done   chan T // has room for one; nil if no read is under way
}

// Read begins a read, which may take within, or goes on with the one that is under way. After
// a read without an answer it waits for a while only. It returns when the read was begun, or
// the error of the read before if there is no answer yet.
func (l *Late[T]) Read(ctx context.Context, within, while time.Duration, read func(context.Context) T) (out T, begun time.Time, err error) {
	if l.done != nil && time.Since(l.begun) > within+while { // from before a stop of syncd
		l.Wait()
	}
	if l.done == nil {
		l.begin(ctx, within, read)
	}
	if l.silent == nil || while >= within {
		out, l.done = <-l.done, nil
		return out, l.begun, nil
	}
	enough := time.NewTimer(while)
	defer enough.Stop()
	select {
	case out = <-l.done:
		l.done = nil
		return out, l.begun, nil
	case <-enough.C:
		return out, l.begun, l.silent
	}
}

func (l *Late[T]) begin(ctx context.Context, within time.Duration, read func(context.Context) T) {
	done := make(chan T, 1)
	l.begun, l.done = time.Now(), done
	go func() { // ended by its context; its place in done is free
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		done <- read(ctx)
	}()
}

// Note records how a node answered a poll.
func (l *Late[T]) Note(err error) {
	l.silent = nil
	if TimedOut(err) {
		l.silent = err
	}
}

// Silent reports whether the node left the poll before without an answer.
func (l *Late[T]) Silent() bool { return l.silent != nil }

// Wait waits for the end of the read that is under way, and drops its answer.
func (l *Late[T]) Wait() {
	if l.done != nil {
		<-l.done
		l.done = nil
	}
}
