// Package gwatclient speaks to one gwat node over HTTP, WebSocket or IPC in
// the wire forms of the head-sync generation. It knows forms, errors and
// limits, and nothing of stages: what a call is for is the caller's matter.
package gwatclient

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
)

// Defaults of Config.
const (
	DefaultTimeout = 5 * time.Second
	DefaultMaxBody = 16 << 20
)

// Config says where a gwat node is and how long and how large an answer may be.
type Config struct {
	Endpoint  string        // http(s)://, ws(s)://, or the path of an IPC socket
	JWTSecret []byte        // 32 bytes or nil; a fresh token for each HTTP request and each WebSocket dial; IPC has none
	Timeout   time.Duration // of a dial and of every call but HeadSyncReady and HeadSync; 0 is DefaultTimeout
	MaxBody   int64         // bytes of an answer; 0 is DefaultMaxBody
	// Transport carries the requests of an http(s) endpoint in place of sockets, as
	// a simulation needs it; nil dials. It calls the request's httptrace
	// WroteHeaders once the node may have the request: only what failed before that
	// counts as not sent.
	Transport http.RoundTripper
	// Observe is told of each call when it has ended: its method, how long it took,
	// and the error it gave; a batch is one call, and an error inside of a result is
	// none here. nil is nobody.
	Observe func(method string, took time.Duration, err error)
	// Tap, if it is not nil, gets every call with its answer, from the goroutine
	// of its caller; it must not keep the caller waiting.
	Tap func(Call)
}

// Call is one call as a Tap gets it.
type Call struct {
	At     time.Time // when it began
	Took   time.Duration
	Method string
	Params []any
	Answer json.RawMessage // nil with an error
	Err    error
}

// Client is a connection to one gwat node. It is safe for concurrent use.
type Client struct {
	masked  string
	timeout time.Duration
	tap     func(Call)
	// A state-changing call has a connection of its own: another call's bad
	// answer or an idle connection that the node has dropped must not lose it.
	reads, changes wire
	observe        func(method string, took time.Duration, err error)
}

// wire carries calls; do runs fn with a client that is connected.
type wire interface {
	// do returns a *wireError, an rpc.HTTPError, an rpc.Error or nil. After it
	// returned an error, fn may still run: what fn writes must not be read then.
	do(ctx context.Context, fn func(context.Context, *rpc.Client) error) error
	close()
}

// New checks cfg; it does not connect. Errors are of kind NeedsHuman.
func New(cfg Config) (*Client, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	switch {
	case cfg.Timeout < 0:
		return nil, failure.Newf(failure.NeedsHuman, "gwat timeout %s is negative", cfg.Timeout)
	case cfg.MaxBody < 0:
		return nil, failure.Newf(failure.NeedsHuman, "gwat answer limit %d is negative", cfg.MaxBody)
	case len(cfg.JWTSecret) != 0 && len(cfg.JWTSecret) != jwtSecretLen:
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret has %d bytes, want %d", len(cfg.JWTSecret), jwtSecretLen)
	}
	at, err := endpoint.Gwat.Parse(cfg.Endpoint)
	if err != nil {
		return nil, failure.WithKind(failure.NeedsHuman, err)
	}
	c := &Client{masked: at.String(), timeout: cfg.Timeout, tap: cfg.Tap, observe: cfg.Observe}
	switch at.Scheme() {
	case "http", "https":
		c.reads, c.changes = newHTTPWire(cfg, true), newHTTPWire(cfg, false)
	case "ws", "wss":
		c.reads, c.changes = newStreamWire(cfg.Timeout, websocketDialer(cfg)), newStreamWire(cfg.Timeout, websocketDialer(cfg))
	default:
		c.reads, c.changes = newStreamWire(cfg.Timeout, ipcDialer(cfg)), newStreamWire(cfg.Timeout, ipcDialer(cfg))
	}
	return c, nil
}

// Close ends the connections and every call in flight.
func (c *Client) Close() {
	c.reads.close()
	c.changes.close()
}

// Endpoint is the configured endpoint without user, password and query values.
func (c *Client) Endpoint() string { return c.masked }

// read makes a call with the client's own timeout.
func (c *Client) read(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.call(ctx, c.reads, method, args...)
}

// change makes a state-changing call that only ctx ends: gwat goes on with it
// anyway, so giving up early would only lose the answer.
func (c *Client) change(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	return c.call(ctx, c.changes, method, args...)
}

// work makes a state-changing call of normal work, with the client's own timeout.
func (c *Client) work(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.call(ctx, c.changes, method, args...)
}

func (c *Client) call(ctx context.Context, w wire, method string, args ...any) (raw json.RawMessage, err error) {
	defer c.timed(method, time.Now(), &err)
	if c.tap != nil {
		begin := time.Now()
		defer func() { c.tap(Call{begin, time.Since(begin), method, args, raw, err}) }()
	}
	return call(ctx, w, method, args...)
}

func call(ctx context.Context, w wire, method string, args ...any) (json.RawMessage, error) {
	if ctx.Err() != nil {
		return nil, cancelled(method, ctx)
	}
	var raw json.RawMessage
	err := w.do(ctx, func(ctx context.Context, client *rpc.Client) error {
		return client.CallContext(ctx, &raw, method, args...)
	})
	if err != nil {
		return nil, classify(method, err)
	}
	return raw, nil
}

func (c *Client) timed(method string, start time.Time, err *error) {
	if c.observe != nil {
		c.observe(method, time.Since(start), *err)
	}
}

// batch makes one call of several requests of the same method, with the
// client's own timeout; the first error of an element is the error of all.
func (c *Client) batch(ctx context.Context, method string, args [][]any) (out []json.RawMessage, err error) {
	defer c.timed(method, time.Now(), &err)
	if c.tap != nil {
		begin := time.Now()
		defer func() {
			took := time.Since(begin)
			for i := range args {
				one := Call{At: begin, Took: took, Method: method, Params: args[i], Err: err}
				if err == nil {
					one.Answer = out[i]
				}
				c.tap(one)
			}
		}()
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if ctx.Err() != nil {
		return nil, cancelled(method, ctx)
	}
	answers := make([]json.RawMessage, len(args))
	elems := make([]rpc.BatchElem, len(args))
	for i := range args {
		elems[i] = rpc.BatchElem{Method: method, Args: args[i], Result: &answers[i]}
	}
	err = c.reads.do(ctx, func(ctx context.Context, client *rpc.Client) error {
		return client.BatchCallContext(ctx, elems)
	})
	if err != nil {
		return nil, classify(method, err)
	}
	for _, elem := range elems {
		if elem.Error != nil {
			return nil, classify(method, elem.Error)
		}
	}
	return answers, nil
}
