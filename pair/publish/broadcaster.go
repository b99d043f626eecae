package publish

import "sync"

// broadcaster sends values to subscribers until they cancel or it ends.
type broadcaster[T any] struct {
	mu    sync.Mutex
	open  map[chan T]struct{}
	ended bool
}

// join adds a subscriber. greet, if it is not nil, is called with the channel before
// anything else is sent. After the end the channel is closed from the start.
func (b *broadcaster[T]) join(buffer int, greet func(chan<- T)) (values <-chan T, cancel func()) {
	ch := make(chan T, buffer)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		close(ch)
		return ch, func() {}
	}
	if greet != nil {
		greet(ch)
	}
	if b.open == nil {
		b.open = map[chan T]struct{}{}
	}
	b.open[ch] = struct{}{}
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.leave(ch)
	}
}

// leave closes a subscriber's channel, once.
func (b *broadcaster[T]) leave(ch chan T) {
	if _, ok := b.open[ch]; ok {
		delete(b.open, ch)
		close(ch)
	}
}

func (b *broadcaster[T]) each(send func(chan T)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.open {
		send(ch)
	}
}

func (b *broadcaster[T]) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for ch := range b.open {
		b.leave(ch)
	}
}
