package beaconsim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/gwatsync/syncd/internal/testworld/simnet/nodehttp"
)

// UserAgent is what the node calls itself in its calls to gwat, so that gwat's log tells
// them from others, also behind a gate.
const UserAgent = "the simulated beacon node"

// gwat is the node's connection to its execution node.
type gwat struct {
	endpoint string
	options  []rpc.ClientOption
	log      *callLog

	mu     sync.Mutex
	client *rpc.Client // nil until the first successful dial
	closed bool        // client is, until the next greeting
}

func newGwat(endpoint string, secret []byte, transport http.RoundTripper, log *callLog) *gwat {
	g := &gwat{endpoint: endpoint, log: log, options: []rpc.ClientOption{rpc.WithHeader("User-Agent", UserAgent)}}
	if len(secret) > 0 {
		g.options = append(g.options, rpc.WithHTTPAuth(nodehttp.Sign(secret)))
	}
	if transport != nil {
		g.options = append(g.options, rpc.WithHTTPClient(&http.Client{Transport: transport}))
	}
	return g
}

// call makes one call, within timeout, and logs it.
func (g *gwat) call(ctx context.Context, timeout time.Duration, result any, method string, params ...any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	entry := Call{At: time.Now(), Method: method}
	entry.Params, _ = json.Marshal(params)
	client, err := g.dial(ctx)
	if err == nil {
		err = client.CallContext(ctx, &entry.Answer, method, params...)
	}
	entry.Elapsed, entry.Err = time.Since(entry.At), err
	g.log.add(entry)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return json.Unmarshal(entry.Answer, result)
}

// greet calls eth_chainId. If it fails, the connection is closed, as a real node does, and is
// the one of all calls until the next greeting: over a socket each of them fails.
func (g *gwat) greet(ctx context.Context, timeout time.Duration) error {
	g.mu.Lock()
	if g.closed {
		g.client, g.closed = nil, false
	}
	g.mu.Unlock()
	var answer json.RawMessage
	err := g.call(ctx, timeout, &answer, "eth_chainId")
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.client != nil {
			g.client.Close()
			g.closed = true
		}
	}
	return err
}

func (g *gwat) dial(ctx context.Context) (*rpc.Client, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.client == nil {
		client, err := rpc.DialOptions(ctx, g.endpoint, g.options...)
		if err != nil {
			return nil, err
		}
		g.client = client
	}
	return g.client, nil
}

func (g *gwat) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.client != nil {
		g.client.Close()
	}
}
