package publish

import (
	"time"

	"github.com/gwatsync/syncd/status"
)

// Reader reads what a loop has published. Its methods may be called concurrently.
type Reader struct{ board *Board }

// Snapshot returns the newest snapshot, nil before the first. It must not be changed.
func (r Reader) Snapshot() *status.Snapshot { return r.board.snapshot.Load() }

// Samples returns the pair's recent past, at most limit points and the newest last:
// one a second, of the last quarter of an hour.
func (r Reader) Samples(limit int) []status.Sample { return r.board.past.Newest(limit) }

// Span returns the pair's past from one time to another in steps; see memory.Memory.
func (r Reader) Span(from, to time.Time, step time.Duration) ([]status.Sample, time.Duration) {
	return r.board.past.Span(from, to, step)
}

// Subscribe returns the stage changes from now on, in order. A reader that falls
// far behind loses the newest. The channel is closed by Close and by cancel.
func (r Reader) Subscribe() (changes <-chan status.Change, cancel func()) {
	return r.board.changes.join(changeBuffer, nil)
}

// Updates returns each new snapshot, the present one first; a slow reader gets the
// newest only. The channel is closed by Close and by cancel.
func (r Reader) Updates() (snapshots <-chan *status.Snapshot, cancel func()) {
	return r.board.updates.join(1, func(ch chan<- *status.Snapshot) { ch <- r.board.snapshot.Load() })
}
