package watch

import (
	"time"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/pair/arrivals"
	"github.com/gwatsync/syncd/pair/orders"
)

// inbox is all that the loop takes messages from.
type inbox struct {
	stop    <-chan struct{}
	results <-chan *Observation
	healed  <-chan healed
	orders  <-chan orders.Order
	events  <-chan beaconclient.Event
	tick    <-chan time.Time
}

// The messages that carry nothing.
type (
	stop   struct{}
	ticked struct{} // a poll is due
)

// next waits for a message. Of several that wait, as they do after a slow disk,
// it takes them in a fixed order, so that a run can be repeated exactly.
func (in *inbox) next() any {
	if m := in.waiting(); m != nil {
		return m
	}
	select {
	case <-in.stop:
		return stop{}
	case m := <-in.results:
		return m
	case m := <-in.healed:
		return m
	case m := <-in.orders:
		return m
	case m, open := <-in.events:
		return in.event(m, open)
	case <-in.tick:
		return ticked{}
	}
}

// waiting returns the first message that is there already; nil if none is.
func (in *inbox) waiting() any {
	if _, ok := arrivals.Next(in.stop); ok {
		return stop{}
	}
	if m, ok := arrivals.Next(in.results); ok {
		return m
	}
	if m, ok := arrivals.Next(in.healed); ok {
		return m
	}
	if m, ok := arrivals.Next(in.orders); ok {
		return m
	}
	if m, open, ok := arrivals.NextOrEnd(in.events); ok {
		return in.event(m, open)
	}
	if _, ok := arrivals.Next(in.tick); ok {
		return ticked{}
	}
	return nil
}

// event takes a stream that has ended out of the inbox.
func (in *inbox) event(m beaconclient.Event, open bool) any {
	if !open {
		in.events = nil
	}
	return m
}
