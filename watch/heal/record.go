package heal

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/internal/counted"
)

// The back-off of a heal.
const (
	HoldSlots = 4           // a proof must hold for so many slots
	Pause     = time.Minute // between two tries
	MaxTries  = 3           // then it needs a human
)

// Record is what is known of one heal over time. The zero value is ready for use.
type Record struct {
	since time.Time // when the proof began to hold without a break; zero while it does not
	tries int
	last  time.Time
	done  bool   // one of the tries ended without an error
	why   string // the last proof, or what was missing
}

// Restored returns the record of a heal that an earlier process tried. A last try in the
// future is of a clock that was set back: it counts as made now. From here on the time since
// the last try is measured by now's clock that never jumps.
func Restored(tries int, last, now time.Time, done bool) *Record {
	ago := max(now.Sub(last), 0)
	return &Record{tries: tries, last: now.Add(-ago), done: done}
}

// Observe takes in what one poll proved.
func (r *Record) Observe(proved bool, why string, at time.Time) {
	r.why = why
	switch {
	case !proved:
		r.since = time.Time{}
	case r.since.IsZero():
		r.since = at
	}
}

// Again has the proof begin again: a heal changed what it may rest on.
func (r *Record) Again() { r.since = time.Time{} }

// Worked forgets the tries: the pair was seen to work.
func (r *Record) Worked() { r.tries, r.last, r.done = 0, time.Time{}, false }

// Held reports whether the proof has held for long enough.
func (r *Record) Held(slot time.Duration, at time.Time) bool {
	return !r.since.IsZero() && at.Sub(r.since) >= HoldSlots*slot
}

// Next reports whether a try may begin at a time, and if not, why.
func (r *Record) Next(slot time.Duration, at time.Time) (bool, string) {
	switch {
	case r.since.IsZero():
		return false, r.why
	case !r.Held(slot, at):
		return false, fmt.Sprintf("%s; waiting for the proof to hold for %s", r.why, HoldSlots*slot)
	case r.tries >= MaxTries:
		return false, fmt.Sprintf("it was tried %s, and the pair has not worked since", counted.Of(r.tries, "time"))
	case r.tries > 0 && at.Sub(r.last) < Pause:
		return false, fmt.Sprintf("the next try is due %s after the last one", Pause)
	}
	return true, r.why
}

// Try notes that a try begins.
func (r *Record) Try(at time.Time) {
	r.tries++
	r.last = at
}

// Succeeded notes that a try ended without an error. One before the pair worked counts no more.
func (r *Record) Succeeded() { r.done = r.tries > 0 }

// Done reports whether one of the tries since the pair worked ended without an error.
func (r *Record) Done() bool { return r.done }

// Tries returns how many tries were made since the pair worked.
func (r *Record) Tries() int { return r.tries }

// Last returns when the last of these tries began.
func (r *Record) Last() time.Time { return r.last }

// GivenUp reports whether the proof holds although every try was made, and the last one
// had its time.
func (r *Record) GivenUp(at time.Time) bool {
	return r.tries >= MaxTries && !r.since.IsZero() && at.Sub(r.last) >= Pause
}
