package arrivals

import "iter"

// Next returns the message that waits in a channel; ok is false if none does. A closed channel
// has zero values.
func Next[T any](from <-chan T) (m T, ok bool) {
	m, _, ok = NextOrEnd(from)
	return m, ok
}

// NextOrEnd is Next for a channel that may be closed: open is false if it is.
func NextOrEnd[T any](from <-chan T) (m T, open, ok bool) {
	select {
	case m, open = <-from:
		return m, open, true
	default:
		return m, false, false
	}
}

// Waiting returns the messages that wait in a channel, until there is none or it is closed.
func Waiting[T any](from <-chan T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for m, open, ok := NextOrEnd(from); ok && open && yield(m); m, open, ok = NextOrEnd(from) {
		}
	}
}
