package gate

import (
	"context"
	"sync"
	"time"
)

// links are the open connections of messages.
type links struct {
	mu   sync.Mutex
	open map[*link]struct{}
	all  sync.WaitGroup
}

func (s *links) add(l *link) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*link]struct{})
	}
	s.open[l] = struct{}{}
	s.all.Add(1)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, l)
		s.all.Done()
	}
}

// drain ends the connections as they have no call in flight, all when ctx ends.
func (s *links) drain(ctx context.Context) {
	untilNone(ctx, func(all bool) (left int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for l := range s.open {
			if all || l.idle() {
				l.cancel()
			} else {
				left++
			}
		}
		return left
	})
}

// untilNone calls end again and again until it reports that nothing is left; when ctx ends,
// once more, for all.
func untilNone(ctx context.Context, end func(all bool) (left int)) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		all := ctx.Err() != nil
		if end(all) == 0 || all {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (s *links) wait() { s.all.Wait() }

// idle reports whether no call of the connection is in flight.
func (l *link) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tasks) > 0 {
		return false
	}
	if l.up == nil {
		return true
	}
	l.up.mu.Lock()
	defer l.up.mu.Unlock()
	return len(l.up.waiting) == 0
}
