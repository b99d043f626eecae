package apiclient

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/gwatsync/syncd/status"
)

// Calls asks for the calls that passed the gate (syncd_calls).
func (c *Client) Calls(ctx context.Context, filter status.CallFilter) (*status.Traffic, error) {
	var out *status.Traffic
	err := c.call(ctx, &out, "syncd_calls", filter)
	if out == nil {
		out = &status.Traffic{}
	}
	return out, err
}

// FollowCalls passes on the calls that a filter chooses and are kept, and those that
// come, until ctx ends or report returns false: over WebSocket, or by asking once a
// second where that is blocked. report is called with an error when syncd cannot be
// asked; it goes on.
func (c *Client) FollowCalls(ctx context.Context, filter status.CallFilter, report func(*status.Traffic, error) bool) {
	f := callFollower{client: c, filter: filter, report: report}
	for f.turn(ctx) {
	}
}

// callFollower remembers the last call that was passed on.
type callFollower struct {
	client *Client
	filter status.CallFilter
	after  uint64
	report func(*status.Traffic, error) bool
}

// turn asks once, then follows a subscription to its end; it reports whether to go on.
func (f *callFollower) turn(ctx context.Context) bool {
	traffic, err := f.client.Calls(ctx, f.filter)
	if ctx.Err() != nil || !f.pass(traffic, err) || err == nil && !f.subscribed(ctx) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pollEvery):
		return true
	}
}

func (f *callFollower) pass(traffic *status.Traffic, err error) bool {
	if err == nil {
		f.after = traffic.Last
		f.filter.After, f.filter.Limit = &f.after, 0 // the limit was for those of the past
	}
	return f.report(traffic, err)
}

// subscribed returns when there is no subscription or it has ended; false if nothing
// more is wanted.
func (f *callFollower) subscribed(ctx context.Context) bool {
	dialCtx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	socket, err := rpc.DialOptions(dialCtx, f.client.ws, rpc.WithWebsocketDialer(f.client.dialer))
	if err != nil {
		return ctx.Err() == nil // it is asked every second then
	}
	defer socket.Close()
	passed := make(chan *status.Traffic, 16)
	sub, err := socket.Subscribe(dialCtx, "syncd", passed, "calls", f.filter)
	if err != nil {
		return ctx.Err() == nil
	}
	defer sub.Unsubscribe()
	for {
		select {
		case t := <-passed:
			if t != nil && !f.pass(t, nil) {
				return false
			}
		case <-sub.Err():
			return ctx.Err() == nil
		case <-ctx.Done():
			return false
		}
	}
}
