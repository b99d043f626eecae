package gwatclient

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

var errClosed = errors.New("client is closed")

// answerGrace is how long a call still waits for an answer that was read
// before the connection ended.
const answerGrace = 250 * time.Millisecond

// streamWire keeps one connection (WebSocket or IPC), dialled at the first
// call and again after it was lost.
type streamWire struct {
	dial    func(context.Context) (*session, error)
	timeout time.Duration
	closed  context.Context
	shut    context.CancelFunc
	turn    chan struct{} // holds one token: who has it may dial

	mu      sync.Mutex
	current *session
	calls   sync.WaitGroup
}

func newStreamWire(timeout time.Duration, dial func(context.Context) (*session, error)) *streamWire {
	w := &streamWire{dial: dial, timeout: timeout, turn: make(chan struct{}, 1)}
	w.closed, w.shut = context.WithCancel(context.Background())
	return w
}

func (w *streamWire) do(ctx context.Context, fn func(context.Context, *rpc.Client) error) error {
	s, err := w.session(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	w.mu.Lock()
	if w.closed.Err() != nil {
		w.mu.Unlock()
		return &wireError{notSent, errClosed}
	}
	w.calls.Add(1)
	w.mu.Unlock()
	// The library blocks in a write for as long as the node does not read; the
	// goroutine ends with this call, or with the write's deadline or connection.
	callCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer w.calls.Done()
		done <- fn(callCtx, s.client)
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.over:
		select {
		case err = <-done:
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(answerGrace):
			err = s.cause
		}
	}
	var answered rpc.Error
	if err == nil || errors.As(err, &answered) {
		return err
	}
	if ctx.Err() == nil {
		// Whatever it was, the next call must not meet this connection again.
		s.conn.Close()
		<-s.over
	}
	if s.lost() && unreadable(s.cause) {
		err = s.cause // the call itself may know only that its connection is gone
	}
	if unreadable(err) {
		return &wireError{garbled, err}
	}
	return &wireError{lost, err}
}

// session gives the live connection or dials a new one; only one caller dials,
// and each waits no longer than its own ctx.
func (w *streamWire) session(ctx context.Context) (*session, error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return nil, &wireError{notSent, ctx.Err()}
	case <-w.closed.Done():
		return nil, &wireError{notSent, errClosed}
	}
	w.mu.Lock()
	current := w.current
	w.mu.Unlock()
	if current != nil {
		if !current.lost() {
			return current, nil
		}
		current.close()
	}
	dialCtx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	defer context.AfterFunc(w.closed, cancel)()
	next, err := w.dial(dialCtx)
	if err != nil {
		var status rpc.HTTPError
		switch {
		case errors.As(err, &status):
			return nil, status
		case ctx.Err() != nil:
			err = ctx.Err()
		}
		return nil, &wireError{notSent, err}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.Err() != nil {
		next.close()
		return nil, &wireError{notSent, errClosed}
	}
	w.current = next
	return next, nil
}

func (w *streamWire) close() {
	w.shut()
	w.mu.Lock()
	current := w.current
	w.current = nil
	w.mu.Unlock()
	if current != nil {
		current.close()
	}
	w.calls.Wait()
}
