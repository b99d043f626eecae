package gate

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gwatsync/syncd/failure"
)

// elementCost is what the list of a split batch takes for each call in it.
const elementCost = 64

// budget bounds the memory of the calls that are held whole, over all connections:
// owned calls, batches that are searched for them, and the answers of a split batch.
// What streams through does not count.
type budget struct {
	limit int64
	used  atomic.Int64

	mu    sync.Mutex
	freed chan struct{} // closed when something is given back; nil while nobody waits
}

// searched is the part of the limit for messages that may have an owned call: the rest is for
// those that have one.
func (b *budget) searched() int64 { return b.limit - b.limit/4 }

// watch returns a channel that is closed when something is given back.
func (b *budget) watch() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.freed == nil {
		b.freed = make(chan struct{})
	}
	return b.freed
}

// give gives n bytes back.
func (b *budget) give(n int64) {
	b.used.Add(-n)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
}

// errFull is the answer to a call that does not fit any more.
var errFull = errors.New("the gate holds as much of other calls as it may")

// fullError: a call was not held, and nothing of it was sent. RetryLater.
type fullError struct{ limit int64 }

func (e *fullError) Error() string {
	return fmt.Sprintf("gate: %v (%d MiB): call again later, or send a shorter call", errFull, e.limit>>20)
}
func (e *fullError) Unwrap() []error { return []error{failure.RetryLater, errFull} }

// grant is the part of a budget that one message has. It is used by one goroutine at a time.
type grant struct {
	of *budget // nil for a part without bounds
	n  int64
}

// take reports whether n more bytes fit, and reserves them until release.
func (h *grant) take(n int64) error {
	if h.of == nil {
		return nil
	}
	return h.takeOf(n, h.of.limit)
}

// takeOf is take with a limit below the budget's.
func (h *grant) takeOf(n, limit int64) error {
	for {
		used := h.of.used.Load()
		if used+n > limit {
			return &fullError{h.of.limit}
		}
		if h.of.used.CompareAndSwap(used, used+n) {
			h.n += n
			return nil
		}
	}
}

// await is take that waits until a time, or until stop is closed.
func (h *grant) await(n int64, until time.Time, stop <-chan struct{}) error {
	err := h.take(n)
	if err == nil || h.n+n > h.of.limit {
		return err
	}
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	for {
		freed := h.of.watch()
		if err = h.take(n); err == nil {
			return nil
		}
		select {
		case <-freed:
		case <-over.C:
			return err
		case <-stop:
			return err
		}
	}
}

// release frees everything. It may be called twice.
func (h *grant) release() {
	if h.n > 0 {
		h.of.give(h.n)
		h.n = 0
	}
}

// read reads r to its end, or limit bytes of it.
func (h *grant) read(r io.Reader, limit int) ([]byte, error) {
	var out []byte
	for len(out) < limit {
		if len(out) == cap(out) {
			more := min(max(2*cap(out), firstRead), limit)
			if err := h.take(int64(more - cap(out))); err != nil {
				return nil, err
			}
			out = append(make([]byte, 0, more), out...)
		}
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return out, nil
}
