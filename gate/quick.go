package gate

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// quick serves the plain calls of an HTTP listener that are forwarded to gwat over HTTP. With
// net/http most of their time is spent there. At the first request, call or answer that is not
// plain, net/http gets the connection for good.
type quick struct {
	net.Listener // of the callers
	g            *Gate
	pool         *wholePool
	handed       chan net.Conn
	closed       chan struct{}
	once         sync.Once

	mu      sync.Mutex
	open    map[*quickConn]struct{}
	watched atomic.Bool // look will be called
}

// quickConn is a connection that net/http has not got.
type quickConn struct {
	net.Conn
	below   net.Conn // without its bound
	busy    atomic.Bool
	buf     []byte
	body    []byte // that is not read yet
	waiting waitingCall
}

// Read reads the body of the call: its end comes with its last byte.
func (c *quickConn) Read(p []byte) (int, error) {
	n := copy(p, c.body)
	if c.body = c.body[n:]; len(c.body) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// newQuick returns nil where plain calls cannot be passed on as they come.
func (g *Gate) newQuick(l net.Listener) *quick {
	b, ok := g.backend.(*httpBackend)
	if !ok || g.cfg.TLSCert != "" || b.url.Scheme != "http" || b.whole.dial == nil || b.url.User != nil || b.url.RawQuery != "" || b.url.Path != "" && b.url.Path != "/" {
		return nil
	}
	return &quick{
		Listener: l, g: g, pool: &b.whole,
		handed: make(chan net.Conn), closed: make(chan struct{}), open: map[*quickConn]struct{}{},
	}
}

// Accept returns the next connection that net/http shall serve.
func (s *quick) Accept() (net.Conn, error) {
	select {
	case c := <-s.handed:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (s *quick) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// take serves the connection c as far as its requests are plain.
func (s *quick) take(ctx context.Context, c net.Conn) {
	bound := boundOf(c)
	q := &quickConn{Conn: c, below: bound.Conn, buf: make([]byte, firstRead)}
	s.mu.Lock()
	s.open[q] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, q)
	}()
	defer s.caught(c)
	for {
		q.busy.Store(false)
		n, err := c.Read(q.buf)
		if err != nil {
			_ = c.Close()
			return
		}
		q.busy.Store(true)
		bound.used(true)
		if !s.call(ctx, q, q.buf[:n]) {
			return
		}
		bound.used(false)
	}
}

// caught turns a panic into the end of one connection.
func (s *quick) caught(c net.Conn) {
	if p := recover(); p != nil {
		s.g.cfg.Log.WithField("panic", p).WithField("stack", string(debug.Stack())).Error("a connection of the gate failed")
		_ = c.Close()
	}
}

// call passes one request on, and its answer back. It reports whether the connection is
// still its own.
func (s *quick) call(ctx context.Context, c *quickConn, raw []byte) bool {
	head, ok := readPlain(raw, "POST / HTTP/1.1\r\n")
	if !ok || head.hosts != 1 || head.length == 0 || head.size+head.length != len(raw) || s.g.draining.Load() {
		s.hand(&handedConn{Conn: c.Conn, head: raw})
		return false
	}
	c.body = raw[head.size:]
	q, err := s.g.readRequest(c, "http")
	if err != nil || !q.ended || q.mixed || q.action != ActionForward {
		if err == nil {
			q.release()
		}
		s.hand(&handedConn{Conn: c.Conn, head: raw})
		return false
	}
	to, err := s.pool.take(ctx)
	if err == nil {
		_, err = to.Conn.Write(head.without(raw))
	}
	var answer, body []byte
	if err == nil {
		c.waiting.begin(to, q.rec.arrived)
		s.watch()
		answer, body, ok = to.plainAnswer()
		if c.waiting.end() {
			q.rec.finish(0, &callerError{io.ErrClosedPipe})
			q.release()
			_ = c.Close()
			return false
		}
	}
	if err != nil || !ok || s.g.draining.Load() {
		h := &handedConn{Conn: c.Conn, head: raw}
		h.sent.Store(&sentCall{q: q, to: to, err: err})
		s.hand(h)
		return false
	}
	q.rec.feed(body)
	return s.pass(c, q, to, answer)
}

// pass writes an answer to the caller as it came.
func (s *quick) pass(c *quickConn, q *request, to *wholeConn, answer []byte) bool {
	defer q.recycle()
	_, err := c.Conn.Write(answer)
	_, _ = to.r.Discard(len(answer))
	s.pool.put(to)
	if err != nil {
		q.rec.finish(0, &callerError{err})
		_ = c.Close()
		return false
	}
	q.rec.finish(http.StatusOK, nil)
	return true
}

// hand gives a connection to net/http.
func (s *quick) hand(c *handedConn) {
	select {
	case s.handed <- c:
	case <-s.closed:
		_ = c.Close()
	}
}

// serve accepts connections until the listener is closed.
func (s *quick) serve(ctx context.Context) error {
	var open sync.WaitGroup
	defer open.Wait()
	return s.g.acceptAll(ctx, s.Listener, func(c net.Conn) { open.Go(func() { s.take(ctx, c) }) })
}

// drain ends the connections as they have no call in flight, all when ctx ends; then Accept.
func (s *quick) drain(ctx context.Context) {
	defer s.Close()
	untilNone(ctx, func(all bool) (left int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.open {
			if all || !c.busy.Load() {
				_ = c.Close()
			}
		}
		return len(s.open)
	})
}

// plainAnswer waits for an answer that is plain and whole, and leaves it in c.r. It returns
// the answer and, of it, the body.
func (c *wholeConn) plainAnswer() (answer, body []byte, ok bool) {
	c.room, c.body = maxHeaderBytes, false
	_, err := c.r.Peek(1)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, nil, false // reading again says the same
	}
	raw, _ := c.r.Peek(c.r.Buffered())
	head, ok := readPlain(raw, "HTTP/1.1 200 OK\r\n")
	return raw, raw[head.size:], ok && head.size+head.length == len(raw)
}

// handedConn is a connection that net/http has got, with what was read of it.
type handedConn struct {
	net.Conn
	head []byte
	sent atomic.Pointer[sentCall] // the call of head, if gwat has it already
}

// sentCall is a call that gwat has, or err.
type sentCall struct {
	q   *request
	to  *wholeConn
	err error
}

func (c *handedConn) Read(p []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	c.head = c.head[n:]
	return n, nil
}

// Close closes also the connection to gwat, if nobody waits there.
func (c *handedConn) Close() error {
	if sent := c.sent.Swap(nil); sent != nil && sent.to != nil {
		_ = sent.to.Close()
	}
	return c.Conn.Close()
}

type handedKey struct{}

// withHanded is an http.Server's ConnContext.
func withHanded(ctx context.Context, c net.Conn) context.Context {
	if h, ok := c.(*handedConn); ok && h.sent.Load() != nil {
		return context.WithValue(ctx, handedKey{}, h)
	}
	return ctx
}

// sentOf returns the call of r if gwat has it already.
func sentOf(r *http.Request) *sentCall {
	if h, ok := r.Context().Value(handedKey{}).(*handedConn); ok {
		return h.sent.Swap(nil)
	}
	return nil
}

// finishSent passes back the answer to a call that gwat has.
func (g *Gate) finishSent(w http.ResponseWriter, r *http.Request, sent *sentCall, pool *wholePool) {
	defer sent.q.release()
	_, _ = io.Copy(io.Discard, r.Body) // it was passed on
	ctx := r.Context()
	var answer *reply
	err := sent.err
	if err == nil {
		answer, err = pool.receive(ctx, sent.to, context.AfterFunc(ctx, func() { _ = sent.to.Close() }))
	} else {
		if sent.to != nil {
			_ = sent.to.Close()
		}
		err = pool.failed(ctx, err)
	}
	g.passAnswer(w, r, sent.q.rec, answer, err)
}
