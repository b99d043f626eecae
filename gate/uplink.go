package gate

import (
	"errors"
	"io"
	"sync"
)

// uplink is the connection to gwat that belongs to one connection of the client,
// so that order and subscriptions are gwat's own.
type uplink struct {
	l *link
	s stream

	mu      sync.Mutex
	waiting []*waiting // messages without their whole answer, oldest first
	lost    bool
	// bound: the client must see the end of this connection, as it has a
	// subscription or sent what gwat ends connections for.
	bound bool
}

// waiting is a message that gwat answers.
type waiting struct {
	rec   *records
	batch bool
}

// pipe forwards a message over the connection's own uplink.
func (l *link) pipe(b *streamBackend, q *request, r io.Reader) error {
	broken := !q.scan.done && (q.scan.foreign || q.ended)
	if broken && (b.at.Socket() || !l.client.framed()) {
		// Where the value ends cannot be told, and gwat would take calls that follow it.
		l.send(errorAnswer("null", codeParse, "parse error"))
		return errForeign
	}
	up, err := l.uplink(b)
	if err != nil {
		if failed := l.skip(q, r); failed != nil {
			return failed
		}
		l.fail(q.rec, q.scan.batch(), err)
		return nil
	}
	return up.forward(q, r)
}

// uplink returns the connection to gwat, a new one if there is none.
func (l *link) uplink(b *streamBackend) (*uplink, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up != nil && !l.up.gone() && !hungUp(l.up.s.conn()) {
		return l.up, nil
	}
	s := b.take(l.header.Get("Authorization"))
	if s == nil {
		var err error
		if s, err = b.dial(l.ctx, l.header); err != nil {
			return nil, err
		}
	}
	if l.ctx.Err() != nil {
		s.end(nil)
		return nil, l.ctx.Err()
	}
	up := &uplink{l: l, s: s}
	l.up = up
	l.work.Go(up.read)
	return up, nil
}

func (up *uplink) gone() bool {
	up.mu.Lock()
	defer up.mu.Unlock()
	return up.lost
}

// forward writes the message q, which r continues. An error ends the client's
// connection; a loss of gwat is no such error.
func (up *uplink) forward(q *request, r io.Reader) error {
	framed := up.l.client.framed() && up.s.framed()
	head := q.head
	if !framed && q.scan.done {
		head = head[:q.scan.pos] // the end of a value ends the message
	}
	w, err := up.s.begin()
	if err != nil {
		return up.failed(q, r)
	}
	if q.scan.done || q.scan.foreign || q.ended {
		up.expect(q)
	}
	if _, err = w.Write(head); err != nil {
		return up.failed(q, r)
	}
	for ended := q.ended; !ended && (framed || !q.scan.done); {
		var lost error
		err := up.l.more(q, r, func(p []byte, ends bool) error {
			if ends {
				up.expect(q)
			}
			_, lost = w.Write(p)
			return lost
		})
		switch {
		case lost != nil:
			return up.failed(q, r)
		case errors.Is(err, io.EOF):
			ended = true
		case errors.Is(err, errOwned):
			up.s.end(nil)
			up.l.fail(q.rec, q.scan.batch(), err)
			return nil
		case err != nil:
			up.s.end(nil) // half a message cannot be taken back
			return err
		}
	}
	if !q.scan.done {
		up.expect(q)
	}
	if err := w.Close(); err != nil {
		return up.failed(q, r)
	}
	return nil
}

// failed follows a write that failed: gwat is gone, and read reports it to the client.
func (up *uplink) failed(q *request, r io.Reader) error {
	up.s.end(nil)
	if err := up.l.skip(q, r); err != nil {
		return err
	}
	up.expect(q)
	return nil
}

// expect notes that gwat will answer q. It must come before the last byte is
// sent, and may come twice.
func (up *uplink) expect(q *request) {
	if q.rec.expected {
		return // read may be failing it at this moment
	}
	q.rec.expected = true
	up.mu.Lock()
	if !q.scan.done {
		up.bound = true
	}
	if q.scan.msg.subscribes() || q.rec.foreign() {
		up.bound = true
	}
	lost := up.lost
	if !lost {
		up.waiting = append(up.waiting, &waiting{q.rec, q.scan.batch()})
		up.sweep()
	}
	up.mu.Unlock()
	if lost {
		up.l.fail(q.rec, q.scan.batch(), &cutError{up.l.g.at, io.ErrUnexpectedEOF})
	}
}

// sweep settles notifications, which nobody answers; up.mu is held.
func (up *uplink) sweep() {
	kept := up.waiting[:0]
	for _, w := range up.waiting {
		expects := false
		for i, id := range w.rec.ids {
			expects = expects || w.rec.open[i] && id != ""
		}
		if expects {
			kept = append(kept, w)
		} else {
			w.rec.finish(0, nil)
		}
	}
	clear(up.waiting[len(kept):])
	up.waiting = kept
}

// read passes gwat's messages to the client until the connection ends.
func (up *uplink) read() {
	defer up.l.caught(nil)
	var err error
	for err == nil {
		var r io.Reader
		if r, err = up.s.next(); err == nil {
			err = up.pass(r)
		}
	}
	up.mu.Lock()
	up.lost = true
	left, bound := up.waiting, up.bound
	up.waiting = nil
	up.mu.Unlock()
	up.s.end(nil)
	if up.l.ctx.Err() != nil {
		for _, w := range left {
			w.rec.finish(0, &callerError{io.ErrClosedPipe})
		}
		return
	}
	for _, w := range left {
		up.l.fail(w.rec, w.batch, &cutError{up.l.g.at, err})
	}
	if bound {
		up.l.client.end(err)
		up.l.cancel()
	}
}

// pass writes one message of gwat's to the client as it comes.
func (up *uplink) pass(r io.Reader) error {
	scan := scanner{element: func(m *message, _, _ int64) { up.settle(m) }}
	up.l.write.Lock()
	defer up.l.write.Unlock()
	w, err := up.l.client.begin()
	if err != nil {
		return err
	}
	_, readErr, writeErr := copyThrough(w, r, func(p []byte) {
		if scan.done {
			return
		}
		// Before the last byte is written: the client may be done with it then.
		if scan.scan(p); scan.done && !scan.batch() {
			up.settle(&scan.msg)
		}
	}, nil)
	if err := errors.Join(readErr, writeErr); err != nil {
		up.l.cancel() // half a message cannot be taken back
		return err
	}
	return w.Close()
}

// settle ends the record of the call that m answers.
func (up *uplink) settle(m *message) {
	id := m.key()
	if id == "" || len(m.method) > 0 {
		return // a notification
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	for _, w := range up.waiting {
		for i := range w.rec.ids {
			if w.rec.open[i] && w.rec.ids[i] == id {
				w.rec.settle(i, m)
				up.sweep()
				return
			}
		}
	}
}
