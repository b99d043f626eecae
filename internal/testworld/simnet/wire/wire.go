package wire

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"syscall"
	"time"
)

// Mode is what a wire does with a request.
type Mode int

// What a wire does.
const (
	Up      Mode = iota
	Refused      // nobody listens
	Stopped      // connections are taken, as the system does for a stopped process
)

// Wire leads to one node. Its zero value is up, with nobody at the other end:
// serve before the first request.
type Wire struct {
	mu    sync.Mutex
	node  http.Handler
	front func(http.Handler) http.Handler
	mode  Mode
	open  map[*exchange]struct{}
}

// exchange is a request whose answer has not been read to its end.
type exchange struct {
	path string
	cut  context.CancelCauseFunc
}

// Serve puts a node at the other end.
func (w *Wire) Serve(h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.node = h
}

// Put sets something before the node; nil takes it away.
func (w *Wire) Put(front func(http.Handler) http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.front = front
}

// Set changes what the wire does with the requests that follow.
func (w *Wire) Set(m Mode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mode = m
}

// Down refuses new requests and cuts those under way.
func (w *Wire) Down() {
	w.Set(Refused)
	w.Cut(func(string) bool { return true })
}

// Cut ends the exchanges under way with the paths asked for, as a connection that breaks.
func (w *Wire) Cut(path func(string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := range w.open {
		if path(e.path) {
			e.cut(io.ErrUnexpectedEOF)
		}
	}
}

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cut := context.WithCancelCause(r.Context())
	e := &exchange{r.URL.Path, cut}
	mode, h := w.begin(e)
	if mode == Refused {
		w.end(e)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil {
		if trace.GotConn != nil {
			trace.GotConn(httptrace.GotConnInfo{})
		}
		if trace.WroteHeaders != nil {
			trace.WroteHeaders()
		}
	}
	if mode == Stopped {
		<-ctx.Done()
		w.end(e)
		return nil, context.Cause(ctx)
	}
	in := r.Clone(ctx)
	in.Host, in.RemoteAddr, in.RequestURI = r.URL.Host, fmt.Sprintf("memory:%p", e), r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	from, to := io.Pipe()
	out := &answer{header: http.Header{}, body: to, begun: make(chan int, 1)}
	go out.serve(h, in)
	select {
	case code, ok := <-out.begun:
		if !ok {
			w.end(e)
			return nil, io.ErrUnexpectedEOF
		}
		stop := context.AfterFunc(ctx, func() { from.CloseWithError(context.Cause(ctx)) })
		return &http.Response{
			StatusCode: code, Status: http.StatusText(code), Header: out.header.Clone(),
			Body: &body{from, ctx, func() { stop(); w.end(e) }}, ContentLength: -1, Request: r,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}, nil
	case <-ctx.Done():
		from.CloseWithError(context.Cause(ctx))
		w.end(e)
		return nil, context.Cause(ctx)
	}
}

func (w *Wire) begin(e *exchange) (Mode, http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = map[*exchange]struct{}{}
	}
	w.open[e] = struct{}{}
	if w.front != nil {
		return w.mode, w.front(w.node)
	}
	return w.mode, w.node
}

func (w *Wire) end(e *exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.cut(context.Canceled)
	delete(w.open, e)
}

// body is the answer as the client reads it.
type body struct {
	*io.PipeReader
	ctx context.Context
	end func()
}

// Read tells of a context that has ended as a connection does.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if err != nil && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *body) Close() error {
	b.end()
	return b.PipeReader.Close()
}

// answer is the answer as the node writes it.
type answer struct {
	header http.Header
	body   *io.PipeWriter

	mu       sync.Mutex
	begun    chan int // the status; closed if the connection is cut before one
	wrote    bool
	deadline *time.Timer
}

func (a *answer) serve(h http.Handler, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { // what a handler panics with to cut the connection
				panic(p)
			}
			a.cut()
		}
		_ = a.SetWriteDeadline(time.Time{})
		a.WriteHeader(http.StatusOK)
		a.body.Close()
	}()
	h.ServeHTTP(a, r)
}

// cut ends the connection; what the handler still writes is lost.
func (a *answer) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.body.CloseWithError(io.ErrUnexpectedEOF)
	if !a.wrote {
		a.wrote = true
		close(a.begun)
	}
}

// SetWriteDeadline implements what http.ResponseController asks for: past it the
// connection is cut.
func (a *answer) SetWriteDeadline(at time.Time) error {
	a.mu.Lock()
	if a.deadline != nil {
		a.deadline.Stop()
	}
	past := !at.IsZero() && !at.After(time.Now())
	if !at.IsZero() && !past {
		a.deadline = time.AfterFunc(time.Until(at), a.cut)
	}
	a.mu.Unlock()
	if past {
		a.cut() // before the handler writes another byte
	}
	return nil
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(code int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.wrote {
		a.wrote = true
		a.begun <- code
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// Flush has nothing to do: what is written is passed on at once.
func (a *answer) Flush() {}
