package gwatclient

import (
	"context"
	"encoding/json"

	"github.com/gwatsync/syncd/gwatclient/guard"
)

// Changes makes the calls that change gwat, for the holder of a Permit; a Client alone
// only reads. It is safe for concurrent use.
type Changes struct {
	client *Client
	permit guard.Permit
}

// Changes returns the calls that change gwat. With the zero Permit, which no guard has
// issued, each of them is guard.ErrNoPermit and sends nothing.
func (c *Client) Changes(p guard.Permit) Changes { return Changes{c, p} }

// change makes a state-changing call that only ctx ends: gwat goes on with it
// anyway, so giving up early would only lose the answer.
func (c Changes) change(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	if !c.permit.Issued() {
		return nil, guard.ErrNoPermit
	}
	return c.client.call(ctx, c.client.changes, method, args...)
}

// work makes a state-changing call of normal work, with the client's own timeout.
func (c Changes) work(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, c.client.timeout)
	defer cancel()
	return c.change(ctx, method, args...)
}
