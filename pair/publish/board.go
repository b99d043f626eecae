package publish

import (
	"sync/atomic"

	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/status"
)

// changeBuffer is how many stage changes a subscriber may be behind before it loses the newest.
const changeBuffer = 64

// Board is where one loop publishes.
type Board struct {
	snapshot atomic.Pointer[status.Snapshot]
	past     *memory.Memory
	changes  broadcaster[status.Change]
	updates  broadcaster[*status.Snapshot]
}

// NewBoard returns a board that remembers in past, or in a past of its own if that is nil.
func NewBoard(past *memory.Memory) *Board {
	if past == nil {
		past = &memory.Memory{}
	}
	return &Board{past: past}
}

// Publish makes s the newest snapshot and sets its Past. s must not change any more.
// Only one goroutine may call it.
func (b *Board) Publish(s *status.Snapshot) {
	s.Past = b.past.Add(s)
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
