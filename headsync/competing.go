package headsync

import (
	"time"

	"github.com/gwatsync/syncd/protocol"
)

// QuietSlots is for how many slots a competing driver must show nothing before syncd
// takes over (S6).
const QuietSlots = 3

// CompetingDriver watches for signs that something else drives gwat: a lock or a rollback
// without a call of ours, or a push that was refused after our ready was accepted. The
// beacon node's calls of normal work only add blocks and are no sign.
type CompetingDriver struct {
	sign     string
	first    time.Time
	last     time.Time // of the newest sign
	number   uint64    // gwat's last finalized number, seen before
	known    bool
	headOpen bool // the sign is a stage head that still lasts
}

// Sample is what one poll shows of gwat.
type Sample struct {
	At     time.Time
	State  protocol.State
	Number uint64 // of the last finalized block
	// Ours: a call of ours runs, or may still run, and explains what is seen.
	Ours bool
	// Restarted: gwat was gone since the last sample, which explains a lower number.
	Restarted bool
}

// Observe records a sample.
func (w *CompetingDriver) Observe(s Sample) {
	rolledBack := w.known && s.Number < w.number && !s.Restarted
	w.number, w.known = s.Number, true
	head := s.State.Activity == protocol.Prepared
	w.headOpen = head && !s.Ours
	switch {
	case s.Ours:
	case head:
		w.Sign("gwat is in stage head without a call of ours", s.At)
	case rolledBack:
		w.Sign("gwat was rolled back without a call of ours", s.At)
	}
}

// Sign records a sign that was seen elsewhere.
func (w *CompetingDriver) Sign(sign string, at time.Time) {
	if w.sign == "" {
		w.first = at
	}
	w.sign, w.last = sign, at
}

// Active reports whether there is a sign that has not expired: syncd must send nothing.
func (w *CompetingDriver) Active() bool { return w.sign != "" }

// Expire removes the sign once QuietSlots slots have passed since it was last seen.
func (w *CompetingDriver) Expire(now time.Time, slot time.Duration) {
	if !w.headOpen && now.Sub(w.last) >= QuietSlots*slot {
		w.sign = ""
	}
}

// LastSign returns the sign, and when it was first and last seen.
func (w *CompetingDriver) LastSign() (sign string, first, last time.Time) {
	return w.sign, w.first, w.last
}
