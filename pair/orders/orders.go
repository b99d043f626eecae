package orders

import (
	"context"
	"errors"
	"fmt"

	"github.com/gwatsync/syncd/failure"
)

// ErrStopped: the loop has ended.
var ErrStopped = failure.WithKind(failure.RetryLater, errors.New("syncd is stopping"))

// Order is one order. Only the loop may call its methods, Done exactly once.
type Order struct {
	do   func(context.Context) error
	done chan error
}

// Do carries the order out.
func (o Order) Do(ctx context.Context) error { return o.do(ctx) }

// Done answers the order.
func (o Order) Done(err error) { o.done <- err }

// Queue hands orders to one loop. Its methods may be called concurrently.
type Queue struct {
	orders  chan Order
	stopped <-chan struct{}
}

// NewQueue returns the queue of a loop that closes stopped when it ends.
func NewQueue(stopped <-chan struct{}) *Queue {
	return &Queue{orders: make(chan Order), stopped: stopped}
}

// C returns the channel that the loop takes orders from.
func (q *Queue) C() <-chan Order { return q.orders }

// Give has the loop do something, and returns what came of it; ErrStopped once the loop
// has ended, and an error of ctx if the loop did not take the order until then. An order
// that the loop has taken is waited for.
func (q *Queue) Give(ctx context.Context, do func(context.Context) error) error {
	o := Order{do: do, done: make(chan error, 1)}
	select {
	case q.orders <- o:
		return <-o.done
	case <-q.stopped:
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("the pair did not take the order: %w", ctx.Err())
	}
}

// Asked returns why something was done: the operator asked for it, with how added and the
// reason that he gave, if any.
func Asked(how, reason string) string {
	if reason == "" {
		return "asked by the operator" + how
	}
	return "asked by the operator" + how + ": " + reason
}
