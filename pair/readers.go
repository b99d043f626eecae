package pair

import "sync"

// readers are those who are told of something until they cancel or the loop ends.
type readers[T any] struct {
	mu    sync.Mutex
	open  map[chan T]struct{}
	ended bool
}

// join adds a reader; greet, if it is given, is called with the channel before
// anything else is told. After the end the channel is closed from the start.
func (r *readers[T]) join(buffer int, greet func(chan<- T)) (told <-chan T, cancel func()) {
	ch := make(chan T, buffer)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		close(ch)
		return ch, func() {}
	}
	if greet != nil {
		greet(ch)
	}
	if r.open == nil {
		r.open = map[chan T]struct{}{}
	}
	r.open[ch] = struct{}{}
	return ch, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.leave(ch)
	}
}

// leave closes a reader's channel, once.
func (r *readers[T]) leave(ch chan T) {
	if _, ok := r.open[ch]; ok {
		delete(r.open, ch)
		close(ch)
	}
}

func (r *readers[T]) each(tell func(chan T)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ch := range r.open {
		tell(ch)
	}
}

func (r *readers[T]) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for ch := range r.open {
		r.leave(ch)
	}
}
