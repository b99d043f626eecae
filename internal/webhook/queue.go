package webhook

import "sync"

// queued is how many messages wait at most: the oldest is left out for a newer one.
const queued = 64

// queue is a bounded queue whose writers never wait. One goroutine takes from it.
type queue struct {
	mu      sync.Mutex
	waiting []Message
	more    chan struct{} // has one element while messages may wait
}

func newQueue() *queue { return &queue{more: make(chan struct{}, 1)} }

// add puts a message at the end and returns how many were left out for it. The end of a
// finding whose beginning still waits takes that back: neither is sent.
func (q *queue) add(m Message) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if m.Status == Resolved {
		for i, w := range q.waiting {
			if w.Status == Firing && w.Finding.Name == m.Finding.Name {
				q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
				return 0
			}
		}
	}
	q.waiting = append(q.waiting, m)
	if over := len(q.waiting) - queued; over > 0 {
		q.waiting, dropped = q.waiting[over:], over
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
	return dropped
}

// take returns the oldest message, false if none waits.
func (q *queue) take() (Message, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return Message{}, false
	}
	m := q.waiting[0]
	q.waiting = q.waiting[1:]
	return m, true
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
