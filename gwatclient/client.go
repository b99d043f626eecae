package gwatclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient/jsonrpc"
)

// Defaults of Config.
const (
	DefaultTimeout = 5 * time.Second
	DefaultMaxBody = 16 << 20
)

// Config says where a gwat node is and how long and how large an answer may be.
type Config struct {
	Endpoint  string // http(s)://, ws(s)://, or the path of an IPC socket
	JWTSecret []byte // 32 bytes or nil; a fresh token for each HTTP request and each WebSocket dial; IPC has none
	// JWTSecretFile is the path of the secret in place of JWTSecret; "" for none. It is read
	// at the first call, and again when the node refuses the token. Until it can be
	// read, calls fail with ErrSecret.
	JWTSecretFile string
	Timeout       time.Duration // of a dial and of every call but HeadSyncReady and HeadSync; 0 is DefaultTimeout
	MaxBody       int64         // bytes of an answer; 0 is DefaultMaxBody
	// Transport carries the requests of an http(s) endpoint in place of sockets, as
	// a simulation needs it; nil dials. It calls the request's httptrace
	// WroteHeaders once the node may have the request: only what failed before that
	// counts as not sent.
	Transport http.RoundTripper
	// Observe, if it is not nil, is called at the end of each call with its method, its
	// duration and its error. A batch is one call; an error inside a result is not one here.
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
	secret  *secret // nil: no token
	hold    failure.HoldBack
	// A state-changing call has a connection of its own: another call's bad
	// answer or an idle connection that the node has dropped must not lose it.
	reads, changes *jsonrpc.Client
	observe        func(method string, took time.Duration, err error)
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
	case len(cfg.JWTSecret) != 0 && cfg.JWTSecretFile != "":
		return nil, failure.Newf(failure.NeedsHuman, "both a JWT secret and a file that holds it: want one of them")
	case len(cfg.JWTSecret) != 0 && len(cfg.JWTSecret) != jwtSecretLen:
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret has %d bytes, want %d", len(cfg.JWTSecret), jwtSecretLen)
	}
	at, err := endpoint.Gwat.Parse(cfg.Endpoint)
	if err != nil {
		return nil, failure.WithKind(failure.NeedsHuman, err)
	}
	if err := checkSecretPath(cfg.JWTSecretFile); err != nil {
		return nil, err
	}
	c := &Client{masked: at.String(), timeout: cfg.Timeout, tap: cfg.Tap, observe: cfg.Observe}
	over := jsonrpc.Config{Endpoint: at, Timeout: cfg.Timeout, MaxBody: cfg.MaxBody, Transport: cfg.Transport}
	if len(cfg.JWTSecret) != 0 || cfg.JWTSecretFile != "" {
		c.secret = &secret{path: cfg.JWTSecretFile, key: cfg.JWTSecret}
		over.Authorize = c.secret.authorize
	}
	c.changes = jsonrpc.New(over)
	over.Repeatable = true
	c.reads = jsonrpc.New(over)
	return c, nil
}

// Close ends the connections and every call in flight.
func (c *Client) Close() {
	c.reads.Close()
	c.changes.Close()
}

// Endpoint is the configured endpoint without user, password and query values.
func (c *Client) Endpoint() string { return c.masked }

// read makes a call that changes nothing, with the client's own timeout.
func (c *Client) read(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.call(ctx, c.reads, method, args...)
}

// Read makes a call that changes nothing and returns its result as it came; which
// calls change nothing is for the caller to know. An answer that is an error has
// the sentinel and kind of the typed calls.
func (c *Client) Read(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	return c.read(ctx, method, args...)
}

func (c *Client) call(ctx context.Context, over *jsonrpc.Client, method string, args ...any) (raw json.RawMessage, err error) {
	defer c.timed(method, time.Now(), &err)
	if c.tap != nil {
		begin := time.Now()
		defer func() { c.tap(Call{begin, time.Since(begin), method, args, raw, err}) }()
	}
	err = c.send(ctx, method, func() (err error) {
		raw, err = over.Call(ctx, method, args...)
		return err
	})
	return raw, err
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
	err = c.send(ctx, method, func() (err error) {
		out, err = c.reads.Batch(ctx, method, args)
		return err
	})
	return out, err
}

// send makes a call unless the node asked for a pause, and once again if the node
// refused a token whose secret has been replaced since: a refused call did nothing.
func (c *Client) send(ctx context.Context, method string, once func() error) error {
	if ctx.Err() != nil {
		return cancelled(method, ctx)
	}
	if err := c.hold.Check(time.Now()); err != nil {
		return unsent(fmt.Errorf("%s: %w", method, err))
	}
	err := once()
	if refusedToken(err) {
		replaced, unread := c.secret.replaced()
		if unread != nil {
			return fmt.Errorf("%w; %w", classify(method, err), unread)
		}
		if replaced {
			err = once()
		}
	}
	var status *jsonrpc.StatusError
	if errors.As(err, &status) && status.Code == http.StatusTooManyRequests {
		wait := c.hold.Limited(time.Now(), status.RetryAfter)
		return failure.WithKind(ErrHTTPStatus, fmt.Errorf("%s: %w", method, failure.RateLimited(failure.By429, wait, string(status.Body))))
	}
	var answered *jsonrpc.Error
	if errors.As(err, &answered) && answered.Limits() {
		wait := c.hold.Limited(time.Now(), 0)
		return failure.WithKind(ErrRPC, fmt.Errorf("%s: %w", method, failure.RateLimited(fmt.Sprintf("JSON-RPC error %d", answered.Code), wait, answered.Message)))
	}
	c.hold.Answered()
	return classify(method, err)
}

// ProbeBatch asks one small batch, as every head sync asks many. Its error is
// ErrBatchRefused with the endpoint's own words if it takes none.
func (c *Client) ProbeBatch(ctx context.Context) error {
	_, err := c.batch(ctx, "eth_chainId", [][]any{{}, {}})
	return err
}
