package gwatclient

import (
	"context"
	"encoding/json"
)

// Read makes a call that changes nothing and gives its result as it came; which
// calls change nothing is for the caller to know. An answer that is an error has
// the sentinel and kind of the typed calls.
func (c *Client) Read(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	return c.read(ctx, method, args...)
}
