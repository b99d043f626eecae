package publish

import (
	"sync/atomic"

	"github.com/gwatsync/syncd/status"
)

// changeBuffer is how many stage changes a subscriber may be behind before it loses the newest.
const changeBuffer = 64

// Board is where one loop publishes. The zero value is ready for use.
type Board struct {
	snapshot atomic.Pointer[status.Snapshot]
	samples  sampleRing
	changes  broadcaster[status.Change]
	updates  broadcaster[*status.Snapshot]
}

// Publish makes s the newest snapshot. s must not change any more. Only one goroutine
// may call it.
func (b *Board) Publish(s *status.Snapshot) {
	b.samples.add(s)
	b.snapshot.Store(s)
	b.updates.each(func(ch chan *status.Snapshot) {
		select {
		case <-ch: // an unread one makes room
		default:
		}
		ch <- s // only this goroutine sends, so there is room
	})
}

// Changed sends a stage change to every subscriber.
func (b *Board) Changed(c status.Change) {
	b.changes.each(func(ch chan status.Change) {
		select {
		case ch <- c:
		default:
		}
	})
}

// Close closes the channels of all subscribers.
func (b *Board) Close() {
	b.changes.end()
	b.updates.end()
}

// Reader returns the board's reading side.
func (b *Board) Reader() Reader { return Reader{board: b} }
