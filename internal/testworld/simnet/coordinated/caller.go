package coordinated

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

var zeroHash common.Hash

// callTimeout is how long a beacon node waits for an answer over HTTP.
const callTimeout = 6 * time.Second

// Caller makes the beacon node's calls to gwat over HTTP.
type Caller struct {
	URL       string
	Transport http.RoundTripper // http.DefaultTransport if it is nil
}

// State asks dag_coordinatedState.
func (c Caller) State(ctx context.Context) (Answer, error) {
	return c.call(ctx, "dag_coordinatedState")
}

// Finalize makes a dag_finalize.
func (c Caller) Finalize(ctx context.Context, f Finalize) (Answer, error) {
	return c.call(ctx, "dag_finalize", f)
}

func (c Caller) call(ctx context.Context, method string, params ...any) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return Answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	var out struct {
		Result Answer    `json:"result"`
		Error  *rpcError `json:"error"`
	}
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil {
		return Answer{}, err
	}
	if out.Error != nil {
		return Answer{}, fmt.Errorf("%s: %s", method, out.Error.Message)
	}
	return out.Result, nil
}
