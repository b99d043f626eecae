package pair

import (
	"sync"
	"time"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/pair/arrivals"
	"github.com/gwatsync/syncd/pair/orders"
	"github.com/gwatsync/syncd/pair/poll"
)

// inbox is all that the loop takes messages from.
type inbox struct {
	stop    <-chan struct{}
	polls   <-chan *poll.Observation
	reports <-chan report
	results <-chan result
	orders  <-chan orders.Order
	events  <-chan beaconclient.Event
	tick    <-chan time.Time
	attempt <-chan time.Time
}

// The messages that carry nothing.
type (
	stop   struct{}
	ticked struct{} // a poll is due
	due    struct{} // it is time for an attempt
)

// next waits for a message. If several wait, as after a slow disk, it takes them in a fixed
// order, so that a run can be repeated exactly.
func (in *inbox) next() any {
	if m := in.waiting(); m != nil {
		return m
	}
	select {
	case <-in.stop:
		return stop{}
	case m := <-in.polls:
		return m
	case m := <-in.reports:
		return m
	case m := <-in.results:
		return m
	case m := <-in.orders:
		return m
	case m, open := <-in.events:
		return in.event(m, open)
	case <-in.tick:
		return ticked{}
	case <-in.attempt:
		return due{}
	}
}

// waiting returns the first message that has arrived; nil if there is none.
func (in *inbox) waiting() any {
	if _, ok := arrivals.Next(in.stop); ok {
		return stop{}
	}
	if m, ok := arrivals.Next(in.polls); ok {
		return m
	}
	if m, ok := arrivals.Next(in.reports); ok {
		return m
	}
	if m, ok := arrivals.Next(in.results); ok {
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
	if _, ok := arrivals.Next(in.attempt); ok {
		return due{}
	}
	return nil
}

// event returns an event, and removes a stream that has ended from the inbox.
func (in *inbox) event(m beaconclient.Event, open bool) any {
	if !open {
		in.events = nil
	}
	return m
}

// box has the channels on which polls, workers and operators send to the loop. A sender stops
// waiting once the loop has stopped.
type box struct {
	polls   chan *poll.Observation
	reports chan report
	results chan result
	orders  *orders.Queue
	stopped chan struct{} // closed when the loop ends

	senders sync.WaitGroup // polls and workers
}

func newBox() box {
	stopped := make(chan struct{})
	return box{
		polls: make(chan *poll.Observation), reports: make(chan report), results: make(chan result),
		orders: orders.NewQueue(stopped), stopped: stopped,
	}
}
