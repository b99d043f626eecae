package coordinated

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/internal/testworld/simnet/nodehttp"
)

var zeroHash common.Hash

// callTimeout is how long a beacon node waits for an answer over HTTP; over IPC it has
// no limit.
const callTimeout = 6 * time.Second

// Caller makes the beacon node's calls to gwat.
type Caller struct {
	URL       string            // http(s)://…, or the path of gwat's IPC socket
	Transport http.RoundTripper // http.DefaultTransport if it is nil
	JWTSecret []byte            // of authrpc; nil for no token
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
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return Answer{}, err
	}
	send := c.overHTTP
	if !strings.Contains(c.URL, "://") {
		send = c.overIPC
	}
	raw, err := send(ctx, body)
	if err != nil {
		return Answer{}, err
	}
	var out struct {
		Result Answer    `json:"result"`
		Error  *rpcError `json:"error"`
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return Answer{}, err
	}
	if out.Error != nil {
		return Answer{}, fmt.Errorf("%s: %s", method, out.Error.Message)
	}
	return out.Result, nil
}

func (c Caller) overHTTP(ctx context.Context, body []byte) (raw json.RawMessage, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.JWTSecret != nil {
		if err := nodehttp.Sign(c.JWTSecret)(request.Header); err != nil {
			return nil, err
		}
	}
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("gwat answered %s", response.Status)
	}
	err = json.NewDecoder(response.Body).Decode(&raw)
	return raw, err
}

// overIPC dials for each call: a socket of a gwat that was restarted is found again.
func (c Caller) overIPC(ctx context.Context, body []byte) (raw json.RawMessage, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.URL)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write(body); err != nil {
		return nil, err
	}
	err = json.NewDecoder(conn).Decode(&raw)
	return raw, err
}
