package gate

import (
	"sync"
	"time"
)

const (
	// quickWait is how long the answer to a call may take before net/http waits for it.
	quickWait = 250 * time.Millisecond
	// lookEvery is the time between two looks at the calls that wait.
	lookEvery = 50 * time.Millisecond
)

// waitingCall is a plain call that waits for gwat's answer. Its connection is read by nobody
// meanwhile: a goroutine or a timer for each call would cost more than the call.
type waitingCall struct {
	mu    sync.Mutex
	to    *wholeConn // nil while there is none
	since time.Time
	late  bool // to has a deadline
	left  bool // the caller hung up
}

// begin notes that a call waits at to.
func (w *waitingCall) begin(to *wholeConn, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to, w.since, w.late = to, since, false
}

// end notes that the call waits no longer, and reports whether the caller hung up.
func (w *waitingCall) end() (left bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.late {
		_ = w.to.SetReadDeadline(time.Time{})
	}
	w.to = nil
	return w.left
}

// look ends the wait of a call that is late, or whose caller hung up. It reports whether there
// is one that waits on.
func (c *quickConn) look(now time.Time) (waits bool) {
	w := &c.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.to == nil || w.late || w.left:
		return false
	case hungUp(c.below):
		w.left = true
		_ = w.to.Close()
		return false
	case now.Sub(w.since) >= quickWait:
		w.late = true
		_ = w.to.SetReadDeadline(now)
		return false
	}
	return true
}

// watch makes sure that the calls that wait are looked at.
func (s *quick) watch() {
	if s.watched.CompareAndSwap(false, true) {
		time.AfterFunc(lookEvery, s.look)
	}
}

// look looks at all calls that wait, and again later while there are any.
func (s *quick) look() {
	s.watched.Store(false) // first: a call that begins now has the next look
	now, waits := time.Now(), false
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		waits = c.look(now) || waits
	}
	if waits {
		s.watch()
	}
}
