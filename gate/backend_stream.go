package gate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/gwatclient/jsonrpc"
)

const (
	maxIdleStreams = 32
	idleStream     = 20 * time.Second // before gwat's first ping of a WebSocket
)

// streamBackend sends each message over a connection that carries nothing else
// meanwhile, so that the answer needs no matching.
type streamBackend struct {
	at   endpoint.Endpoint
	dial func(context.Context, http.Header) (stream, error)

	mu     sync.Mutex
	idle   []idleConn // the newest last
	closed bool
}

type idleConn struct {
	s     stream
	auth  string // of the handshake it was opened with
	since time.Time
}

func (b *streamBackend) do(ctx context.Context, x *exchange) (*reply, error) {
	auth := x.header.Get("Authorization")
	s := b.take(auth)
	if s == nil {
		var err error
		if s, err = b.dial(ctx, x.header); err != nil {
			var refused *jsonrpc.StatusError
			if errors.As(err, &refused) {
				return &reply{
					status: refused.Code, header: refused.Header,
					body: io.NopCloser(bytes.NewReader(refused.Body)), length: int64(len(refused.Body)),
				}, nil
			}
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { s.end(nil) })
	wants, reusable, err := b.send(s, x.body)
	if err == nil && !wants {
		if stop() && reusable {
			b.put(s, auth)
		} else {
			s.end(nil)
		}
		return b.json(io.NopCloser(strings.NewReader("")), 0), nil
	}
	var answer io.Reader
	if err == nil {
		answer, err = s.next()
	}
	if err != nil {
		stop()
		s.end(nil)
		var caller *callerError
		switch {
		case errors.As(err, &caller):
			return nil, err
		case ctx.Err() != nil:
			err = ctx.Err()
		}
		return nil, &cutError{b.at, err}
	}
	return b.json(&streamAnswer{r: answer, finish: func(whole bool) {
		// A connection that may carry notifications is not used again.
		if stop() && whole && reusable {
			b.put(s, auth)
		} else {
			s.end(nil)
		}
	}}, -1), nil
}

func (b *streamBackend) json(body io.ReadCloser, length int64) *reply {
	return &reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: body, length: length}
}

// send writes the first value of body, and reports whether gwat answers it and
// whether the connection is free after the answer.
func (b *streamBackend) send(s stream, body io.Reader) (wants, reusable bool, err error) {
	asks, subscribes := false, false
	scan := scanner{element: func(m *message, _, _ int64) {
		asks, subscribes = asks || answers(m), subscribes || m.subscribes()
	}}
	w, err := s.begin()
	if err != nil {
		return false, false, err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for !scan.done {
		n, readErr := body.Read(*buf)
		if part := (*buf)[:scan.scan((*buf)[:n])]; len(part) > 0 && !scan.foreign {
			if _, err := w.Write(part); err != nil {
				return false, false, err
			}
		}
		switch {
		case scan.foreign:
			return false, false, &callerError{errForeign}
		case scan.done:
		case errors.Is(readErr, io.EOF):
			return false, false, &callerError{io.ErrUnexpectedEOF}
		case readErr != nil:
			return false, false, &callerError{readErr}
		}
	}
	if scan.batch() {
		// gwat answers an empty batch with an error.
		return asks || scan.empty(), !subscribes, w.Close()
	}
	return answers(&scan.msg), !scan.msg.subscribes(), w.Close()
}

// answers reports whether gwat answers m: it does not answer a notification.
func answers(m *message) bool { return m.key() != "" || m.name() == "" }

// take returns an idle connection that was opened with auth, nil if there is none.
func (b *streamBackend) take(auth string) stream {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.idle) - 1; i >= 0; i-- {
		c := b.idle[i]
		if c.auth != auth && time.Since(c.since) < idleStream {
			continue
		}
		b.idle = append(b.idle[:i], b.idle[i+1:]...)
		if time.Since(c.since) < idleStream && alive(c.s.conn()) {
			return c.s
		}
		c.s.end(nil)
	}
	return nil
}

func (b *streamBackend) put(s stream, auth string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.idle) >= maxIdleStreams {
		s.end(nil)
		return
	}
	b.idle = append(b.idle, idleConn{s, auth, time.Now()})
}

func (b *streamBackend) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, c := range b.idle {
		c.s.end(nil)
	}
	b.idle = nil
}

// streamAnswer is an answer on a stream, ended with a newline as over HTTP.
type streamAnswer struct {
	r      io.Reader
	finish func(whole bool)
	last   byte
	whole  bool
	over   bool
}

func (a *streamAnswer) Read(p []byte) (int, error) {
	if a.whole {
		return 0, io.EOF
	}
	n, err := a.r.Read(p)
	if n > 0 {
		a.last = p[n-1]
	}
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	a.whole = true
	if a.last != '\n' && n < len(p) {
		p[n] = '\n'
		return n + 1, nil
	}
	return n, io.EOF
}

func (a *streamAnswer) Close() error {
	if !a.over {
		a.over = true
		a.finish(a.whole)
	}
	return nil
}
