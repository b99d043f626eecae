package daemon

import "sync"

// over returns what a subscription to the loop that runs delivers and, once another loop
// takes over, what one to that loop delivers. With newest a slow reader gets the newest
// value only. The channel is closed by cancel and when the last loop has ended.
func over[T any](l *loops, newest bool, join func(*running) (<-chan T, func())) (values <-chan T, cancel func()) {
	out, left := make(chan T), make(chan struct{})
	first := l.now.Load()
	in, leave := join(first)
	go func() { // ended by cancel, or by the end of the loops
		defer close(out)
		open := forward(in, out, left, newest)
		leave()
		if !open {
			return
		}
		select {
		case <-left:
			return
		case <-l.ended:
			return
		case <-l.replaced:
		}
		if next := l.now.Load(); next != first {
			in, leave := join(next)
			defer leave()
			forward(in, out, left, newest)
		}
	}()
	return out, sync.OnceFunc(func() { close(left) })
}

// forward passes values on until in is closed; false if left was closed before.
func forward[T any](in <-chan T, out chan<- T, left <-chan struct{}, newest bool) bool {
	for {
		var v T
		var open bool
		select {
		case v, open = <-in:
			if !open {
				return true
			}
		case <-left:
			return false
		}
		later := in
		if !newest {
			later = nil
		}
		for sent := false; !sent; {
			select {
			case out <- v:
				sent = true
			case n, open := <-later:
				if !open {
					later = nil
					continue
				}
				v = n
			case <-left:
				return false
			}
		}
	}
}
