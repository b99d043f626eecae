package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
)

// exchange is one message for gwat and what belongs to it.
type exchange struct {
	method string      // of HTTP
	url    *url.URL    // of the caller; its path and query count
	host   string      // as the caller named the gate; "" for the endpoint's
	header http.Header // of the caller; nil for none
	body   io.Reader
	length int64 // -1 if it is not known
}

// reply is gwat's answer. Its body must be closed.
type reply struct {
	status int
	header http.Header
	body   io.ReadCloser
	length int64 // -1 if it is not known
}

// backend is gwat.
type backend interface {
	// do sends a message and returns the answer, whose body is empty if there is none.
	do(ctx context.Context, x *exchange) (*reply, error)
	// close ends the connections that nobody uses.
	close()
}

// downError: gwat was not reached, and nothing was sent. RetryLater.
type downError struct {
	at  endpoint.Endpoint
	err error
}

func (e *downError) Error() string {
	return fmt.Sprintf("gate: gwat does not answer at %s: %s", failure.Text(e.at.String()), failure.Text(e.err.Error()))
}
func (e *downError) Unwrap() []error { return []error{failure.RetryLater, e.err} }

// cutError: the message was sent, in part at least, and no whole answer came. RetryNow.
type cutError struct {
	at  endpoint.Endpoint
	err error
}

func (e *cutError) Error() string {
	return fmt.Sprintf("gate: gwat at %s closed the connection before its answer was complete: %s", failure.Text(e.at.String()), failure.Text(e.err.Error()))
}
func (e *cutError) Unwrap() []error { return []error{failure.RetryNow, e.err} }

// callerError: the caller's message could not be read.
type callerError struct{ err error }

func (e *callerError) Error() string { return "the caller's message ended early: " + e.err.Error() }
func (e *callerError) Unwrap() error { return e.err }

func outcomeOf(err error) Outcome {
	var down *downError
	var caller *callerError
	switch {
	case errors.As(err, &down) && !errors.Is(err, context.Canceled), errors.Is(err, errFull), errors.Is(err, errOwned):
		return OutcomeDown
	case errors.Is(err, context.Canceled), errors.As(err, &caller):
		return OutcomeGone
	}
	return OutcomeCut
}

// newBackend returns the backend at e, which it does not connect to. carrier, if it is
// not nil, takes the place of HTTP's sockets.
func newBackend(e endpoint.Endpoint, carrier http.RoundTripper) backend {
	if e.HTTP() {
		return newHTTPBackend(e, carrier)
	}
	return &streamBackend{at: e, dial: func(ctx context.Context, h http.Header) (stream, error) { return dialStream(ctx, e, h) }}
}

// buffers for copying; small, as there may be one for each open connection.
var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// copyThrough copies r to w and shows what passes to see. It reports which side failed.
func copyThrough(w io.Writer, r io.Reader, see func([]byte), flush func()) (n int64, readErr, writeErr error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		got, err := r.Read(*buf)
		if got > 0 {
			see((*buf)[:got])
			wrote, failed := w.Write((*buf)[:got])
			n += int64(wrote)
			if failed != nil {
				return n, nil, failed
			}
			if flush != nil {
				flush()
			}
		}
		if errors.Is(err, io.EOF) {
			return n, nil, nil
		}
		if err != nil {
			return n, err, nil
		}
	}
}
