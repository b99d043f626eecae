package headsync

import (
	"time"

	"github.com/gwatsync/syncd/protocol"
)

// QuietSlots is how many slots another driver must show nothing before syncd
// takes over (S6).
const QuietSlots = 3

// RivalWatch looks for signs that something else drives gwat: stage head or a
// rollback without a call of ours, or "not ready" after our true. The beacon
// node's normal dag_sync and dag_finalize only add blocks and are no sign.
type RivalWatch struct {
	sign     string
	first    time.Time
	last     time.Time // of the newest sign
	number   uint64    // gwat's last finalized number, seen before
	known    bool
	headOpen bool // the sign is a stage head that still lasts
}

// Sample is one look at gwat.
type Sample struct {
	At     time.Time
	State  protocol.State
	Number uint64 // of the last finalized block
	// Ours: a call of ours runs, or may still run, and explains what is seen.
	Ours bool
	// Restarted: gwat was gone since the last sample, which explains a lower number.
	Restarted bool
}

// Observe takes a sample.
func (w *RivalWatch) Observe(s Sample) {
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
func (w *RivalWatch) Sign(sign string, at time.Time) {
	if w.sign == "" {
		w.first = at
	}
	w.sign, w.last = sign, at
}

// Active reports whether syncd must send nothing: there is a sign that was not forgotten.
func (w *RivalWatch) Active() bool { return w.sign != "" }

// Expire forgets the sign once QuietSlots slots have passed since it was last seen.
func (w *RivalWatch) Expire(now time.Time, slot time.Duration) {
	if !w.headOpen && now.Sub(w.last) >= QuietSlots*slot {
		w.sign = ""
	}
}

// Told gives the sign, and when it was first and last seen.
func (w *RivalWatch) Told() (sign string, first, last time.Time) { return w.sign, w.first, w.last }
