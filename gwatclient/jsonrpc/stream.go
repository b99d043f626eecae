package jsonrpc

import (
	"context"
	"errors"
	"net"
	"sync"
)

// session is one WebSocket or IPC connection. A goroutine of its own reads it and
// hands each reply to the exchange that waits for it.
type session struct {
	conn net.Conn
	next func() ([]byte, error) // reads one message
	send func([]byte) error     // writes one message
	turn chan struct{}          // holds the token of the exchange that writes

	mu      sync.Mutex
	waiting map[*waiter]struct{}

	over  chan struct{} // closed when the connection has ended
	cause error         // why, a *TransportError; to be read after over
}

type waiter struct {
	request
	reply chan reply // room for one
}

func newSession(conn net.Conn, next func() ([]byte, error), send func([]byte) error) *session {
	s := &session{conn: conn, next: next, send: send, turn: make(chan struct{}, 1),
		waiting: make(map[*waiter]struct{}), over: make(chan struct{})}
	go s.read()
	return s
}

// read ends with the connection, and the connection with it.
func (s *session) read() {
	for s.cause == nil {
		message, err := s.next()
		var r reply
		if err == nil {
			r, err = decode(message)
		}
		if err == nil {
			s.deliver(r)
			continue
		}
		var known *TransportError
		if !errors.As(err, &known) {
			err = lost(err)
		}
		s.cause = err
	}
	s.conn.Close()
	close(s.over)
}

// deliver finds the exchange that r answers. What nobody waits for is dropped: a
// notification, or the answer to a call that its caller gave up.
func (s *session) deliver(r reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unnamed []*waiter // that an error without an id may be for
	for w := range s.waiting {
		for _, one := range r.list {
			if w.index(one) >= 0 && (one.Result != nil || one.Error != nil) {
				delete(s.waiting, w)
				w.reply <- r
				return
			}
		}
		// Never a single call: that may change state, and the error may be another's.
		if w.batch && r.refuses(w.request) && (r.list[0].ID == nil || string(r.list[0].ID) == "null") {
			unnamed = append(unnamed, w)
		}
	}
	if len(unnamed) == 1 {
		delete(s.waiting, unnamed[0])
		unnamed[0].reply <- r
	}
}

func (s *session) ended() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

func (s *session) close() {
	s.conn.Close()
	<-s.over
}

func (s *session) exchange(ctx context.Context, req request) (reply, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return reply{}, notSent(ctx.Err())
	case <-s.over:
		return reply{}, notSent(s.cause)
	}
	if s.ended() { // by the write before, perhaps
		<-s.turn
		return reply{}, notSent(s.cause)
	}
	w := &waiter{req, make(chan reply, 1)}
	s.mu.Lock()
	s.waiting[w] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, w)
		s.mu.Unlock()
	}()
	// What follows half a message is no message: a write that ctx ends takes the
	// connection with it.
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	err := s.send(req.body)
	stop()
	if err != nil {
		s.close()
	}
	<-s.turn
	if err != nil {
		var known *TransportError
		if errors.As(s.cause, &known) && known.Fate == Unreadable {
			return reply{}, s.cause
		}
		return reply{}, lost(errors.Join(ctx.Err(), err))
	}
	select {
	case r := <-w.reply:
		return r, nil
	case <-ctx.Done():
		return reply{}, lost(ctx.Err())
	case <-s.over:
	}
	select { // the answer may have been the last thing read
	case r := <-w.reply:
		return r, nil
	default:
	}
	if ctx.Err() != nil { // it ended between the write's end and stop
		return reply{}, lost(ctx.Err())
	}
	return reply{}, s.cause
}

// streamLink keeps one session, dialled at the first exchange and again after it
// was lost.
type streamLink struct {
	cfg    Config
	open   func(context.Context, Config) (*session, error)
	closed context.Context
	shut   context.CancelFunc
	turn   chan struct{} // holds the token of the exchange that dials; guards current

	current *session
}

func newStreamLink(cfg Config, open func(context.Context, Config) (*session, error)) *streamLink {
	l := &streamLink{cfg: cfg, open: open, turn: make(chan struct{}, 1)}
	l.closed, l.shut = context.WithCancel(context.Background())
	return l
}

func (l *streamLink) exchange(ctx context.Context, req request) (reply, error) {
	s, err := l.session(ctx)
	if err != nil {
		return reply{}, err
	}
	return s.exchange(ctx, req)
}

// session returns the live session or dials a new one. Only one caller dials, and
// each waits no longer than its own ctx.
func (l *streamLink) session(ctx context.Context) (*session, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, notSent(ctx.Err())
	}
	if l.closed.Err() != nil {
		return nil, notSent(errClosed)
	}
	if l.current != nil && !l.current.ended() {
		return l.current, nil
	}
	dialing, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(l.closed, cancel)()
	s, err := l.open(dialing, l.cfg)
	var status *StatusError
	switch {
	case errors.As(err, &status):
		return nil, status
	case err != nil && ctx.Err() != nil:
		return nil, notSent(ctx.Err())
	case err != nil:
		return nil, notSent(err)
	}
	l.current = s
	return s, nil
}

// close ends a dial under way, then the session.
func (l *streamLink) close() {
	l.shut()
	l.turn <- struct{}{}
	if l.current != nil {
		l.current.close()
	}
	<-l.turn
}
