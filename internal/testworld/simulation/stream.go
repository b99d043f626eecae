package simulation

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// stream is the body of an event stream: frames go in at the node and come out
// at the caller, each by a step of its own, in order unless a fault turns them.
type stream struct {
	x      *exchange
	caller context.Context

	mu      sync.Mutex
	pending [][]byte // flushed by the node, not yet delivered
	buffer  bytes.Buffer
	held    []byte // a frame that lets the next one pass
	err     error
	more    chan struct{}
}

func newStream(x *exchange) *stream { return &stream{x: x, more: make(chan struct{}, 1)} }

// Read implements io.Reader for the caller.
func (s *stream) Read(p []byte) (int, error) {
	for {
		s.mu.Lock()
		n, err := s.buffer.Read(p)
		if err == io.EOF && n == 0 {
			err = s.err
		}
		s.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-s.more:
		case <-s.caller.Done():
			return 0, s.caller.Err()
		}
	}
}

// Close implements io.Closer for the caller: it hangs up.
func (s *stream) Close() error {
	s.x.host.net.run.sched.park(&waiting{
		key:   mix(s.x.key, digest("hang up")),
		delay: func(r *seededRand) time.Duration { return r.span(time.Microsecond, 50*time.Microsecond) },
		run: func() {
			s.x.host.net.over(s.x)
			s.end(io.ErrClosedPipe)
			s.x.hangUp()
		},
	})
	return nil
}

// end ends the stream for the caller.
func (s *stream) end(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.signal()
}

func (s *stream) signal() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *stream) put(frames ...[]byte) {
	s.mu.Lock()
	for _, f := range frames {
		s.buffer.Write(f)
	}
	s.mu.Unlock()
	s.signal()
}

// flushed is called by the node when a frame is complete.
func (s *stream) flushed(n *network, frame []byte) {
	s.mu.Lock()
	s.pending = append(s.pending, frame)
	s.mu.Unlock()
	key := mix(s.x.key, digest("frame"))
	if s.x.from > 1 { // the node may still serve the stream of a incarnation that was killed
		key = mix(key, uint64(s.x.from))
	}
	n.run.sched.park(&waiting{
		key:   key,
		delay: func(r *seededRand) time.Duration { return n.latency(s.x, r) },
		run:   func() { s.next(n) },
	})
}

// next delivers the next frame, or what a fault makes of it.
func (s *stream) next(n *network) {
	s.mu.Lock()
	if len(s.pending) == 0 || s.err != nil {
		s.mu.Unlock()
		return
	}
	frame := s.pending[0]
	s.pending = s.pending[1:]
	held := s.held
	s.held = nil
	s.mu.Unlock()
	n.run.log("frame", string(s.x.link), "", digestBytes(frame))
	f := n.fault(s.x, hopFrame)
	if f == nil {
		s.put(frame, held)
		return
	}
	switch f.kind {
	case frameDrop:
		s.put(held)
	case frameTwice:
		s.put(frame, held, frame)
	case frameLate:
		s.mu.Lock()
		s.held = append(frame, held...)
		s.mu.Unlock()
	case frameHalf:
		s.put(held, frame[:len(frame)/2])
		s.end(errReset)
	case frameGarbled:
		s.put(held, garbled(frame))
	}
}

// responseWriter is where a node writes its answer.
type responseWriter struct {
	run      *run
	x        *exchange
	header   http.Header
	status   int
	body     bytes.Buffer
	deadline time.Time
	begun    bool
	cut      bool   // the node ended the connection
	half     int    // of the answer come so many bytes and then an error; 0 for all
	garbled  []byte // comes in place of the answer
}

// Header implements http.ResponseWriter.
func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *responseWriter) Write(data []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if !w.deadline.IsZero() && time.Now().After(w.deadline) {
		w.cut = true
		return 0, errReset
	}
	return w.body.Write(data)
}

// SetWriteDeadline is used by http.ResponseController.
func (w *responseWriter) SetWriteDeadline(at time.Time) error {
	w.deadline = at
	if at.Before(time.Now()) {
		w.cut = true
	}
	return nil
}

// Flush implements http.Flusher: only an event stream's answer begins before it ends.
func (w *responseWriter) Flush() {
	s := w.x.stream
	if s == nil {
		return
	}
	if !w.begun {
		w.begun = true
		n := w.x.host.net
		n.run.sched.park(&waiting{
			key:   mix(w.x.key, digest("head")),
			delay: func(r *seededRand) time.Duration { return n.latency(w.x, r) },
			run:   func() { n.open(w.x, w.status, w.header.Clone()) },
		})
	}
	if w.body.Len() > 0 {
		s.flushed(w.x.host.net, bytes.Clone(w.body.Bytes()))
		w.body.Reset()
	}
}

// open hands the beginning of a stream to the caller.
func (n *network) open(x *exchange, status int, header http.Header) {
	if x.closed {
		return
	}
	x.status = status
	x.response = &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: x.stream, ContentLength: -1,
	}
	n.finish(x, nil)
}
