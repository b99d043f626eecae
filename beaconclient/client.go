package beaconclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
)

// Defaults of Config.
const (
	DefaultTimeout = 5 * time.Second
	DefaultMaxBody = 32 << 20
)

// What an answer may be at the most, so that many at a time stay bounded too:
// only the committees of an epoch grow with the number of validators.
const (
	smallBody = 1 << 20
	blockBody = 8 << 20
)

const (
	maxConns       = 32
	maxHeaderBytes = 64 << 10
	keepAlive      = 15 * time.Second
	idleTimeout    = 30 * time.Second
)

// Config says where a beacon node is and how long and how large an answer may be.
type Config struct {
	URL     string        // http(s)://host:port; a base path is kept
	Timeout time.Duration // of a REST call and of the dial of the event stream; 0 is DefaultTimeout
	MaxBody int64         // bytes of a REST answer; 0 is DefaultMaxBody
	// Transport carries the requests in place of sockets, as a simulation needs it;
	// nil dials. It calls the request's httptrace GotConn once it has reached the node.
	Transport http.RoundTripper
	// Observe is called with each REST call when it has ended: its path with {id} in
	// place of what it asks for, how long it took, and the error it gave. nil is nobody.
	Observe func(path string, took time.Duration, err error)
	// Tap, if it is not nil, gets every REST call with its answer, from the
	// goroutine of its caller; it must not keep the caller waiting.
	Tap func(Call)
}

// Call is one REST call as a Tap gets it.
type Call struct {
	At     time.Time // when it began
	Took   time.Duration
	Path   string
	Query  url.Values
	Status int    // 0 without an answer
	Answer []byte // the whole body
	Err    error  // why there is no whole answer
}

// Client is a connection to one beacon node. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	masked  string
	maxBody int64
	timeout time.Duration
	rest    *http.Client
	stream  *http.Client
	tap     func(Call)
	observe func(path string, took time.Duration, err error)
	skipped atomic.Uint64
	hold    failure.HoldBack // of REST calls and of the event stream
	events  failure.HoldBack // of the event stream alone: a bound on streams keeps no call back
	closed  context.Context  // ends with Close, and every call and stream with it
	shut    context.CancelFunc
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
		return nil, failure.Newf(failure.NeedsHuman, "beacon timeout %s is negative", cfg.Timeout)
	case cfg.MaxBody < 0:
		return nil, failure.Newf(failure.NeedsHuman, "beacon answer limit %d is negative", cfg.MaxBody)
	}
	at, err := endpoint.Beacon.Parse(cfg.URL)
	if err != nil {
		return nil, failure.WithKind(failure.NeedsHuman, err)
	}
	c := &Client{base: at.URL(), masked: at.String(), maxBody: cfg.MaxBody, timeout: cfg.Timeout, tap: cfg.Tap, observe: cfg.Observe}
	c.closed, c.shut = context.WithCancel(context.Background())
	c.rest = newHTTPClient(cfg)
	// The node sends the head of an event stream only with its first event, and
	// the stream must not take a connection away from the calls.
	c.stream = newHTTPClient(cfg)
	return c, nil
}

func newHTTPClient(cfg Config) *http.Client {
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{
			// A node is reached without the environment's proxy.
			DialContext:            (&net.Dialer{Timeout: cfg.Timeout, KeepAlive: keepAlive}).DialContext,
			TLSHandshakeTimeout:    cfg.Timeout,
			MaxConnsPerHost:        maxConns,
			MaxIdleConnsPerHost:    maxConns,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
		}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close ends every call and stream.
func (c *Client) Close() {
	c.shut()
	c.rest.CloseIdleConnections()
	c.stream.CloseIdleConnections()
}

// URL is the configured URL without user and password.
func (c *Client) URL() string { return c.masked }

func (c *Client) address(path string, query url.Values) string {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	return u.String()
}

// get asks for path, whose answer is small, and decodes its member data into out.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.getUpTo(ctx, smallBody, path, query, out)
}

func (c *Client) getUpTo(ctx context.Context, limit int64, path string, query url.Values, out any) (err error) {
	if c.observe != nil {
		start := time.Now()
		defer func() { c.observe(pathOf(path), time.Since(start), err) }()
	}
	body, err := c.fetch(ctx, min(limit, c.maxBody), path, query)
	if err != nil {
		return err
	}
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] == '<' {
		// A web page, or the empty answer of gwat's own HTTP server to a GET.
		what := "an empty answer"
		if len(trimmed) > 0 {
			what = failure.Text(string(trimmed))
		}
		return malformed(path, "%w: %s", ErrWrongEndpoint, what)
	}
	// The data is decoded in place: most bytes of a block are skipped.
	envelope := struct {
		Data any `json:"data"`
	}{out}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return malformed(path, "%w", err)
	}
	if envelope.Data == nil || !bytes.Contains(body, []byte(`"data"`)) {
		return malformed(path, "no data in %s", failure.Text(string(body)))
	}
	return nil
}

// pathOf puts {id} in place of the block or state that a path names.
func pathOf(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts[:len(parts)-1] {
		if part == "headers" || part == "blocks" || part == "states" {
			parts[i+1] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}

// fetch returns the whole body of a 200, of at most limit bytes.
func (c *Client) fetch(ctx context.Context, limit int64, path string, query url.Values) ([]byte, error) {
	status, body, err := c.ask(ctx, limit, path, query)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, statusError(path, status, body)
	}
	return body, nil
}

// Get requests a path and returns the answer as it came, whatever its status.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (status int, body []byte, err error) {
	return c.ask(ctx, c.maxBody, path, query)
}

func (c *Client) ask(ctx context.Context, limit int64, path string, query url.Values) (status int, body []byte, err error) {
	if c.tap != nil {
		begin := time.Now()
		defer func() { c.tap(Call{begin, time.Since(begin), path, query, status, body, err}) }()
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()
	switch {
	case c.closed.Err() != nil:
		return 0, nil, failure.Newf(failure.RetryLater, "GET %s: %w: client is closed", path, ErrDown)
	case ctx.Err() != nil:
		return 0, nil, failure.Newf(failure.RetryNow, "GET %s: not sent: %w", path, ctx.Err())
	}
	if err := c.hold.Check(time.Now()); err != nil {
		return 0, nil, failure.WithKind(ErrDown, fmt.Errorf("GET %s: %w", path, err))
	}
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodGet, c.address(path, query), nil)
	if err != nil {
		return 0, nil, failure.Newf(failure.NeedsHuman, "GET %s: %w", path, withoutURL(err))
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.rest.Do(req)
	switch {
	case err != nil && connected.Load():
		return 0, nil, failure.Newf(failure.RetryNow, "GET %s: %w: %w", path, ErrLost, failure.Bounded(withoutURL(err)))
	case err != nil:
		return 0, nil, failure.Newf(failure.RetryLater, "GET %s: %w: %w", path, ErrDown, failure.Bounded(failure.Untrusted(withoutURL(err))))
	}
	defer resp.Body.Close()
	if wait := heldBack(&c.hold, resp); wait > 0 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, failure.MaxText))
		return 0, nil, failure.WithKind(ErrHTTPStatus, fmt.Errorf("GET %s: %w", path, failure.RateLimited(failure.By429, wait, string(said))))
	}
	if to := failure.Redirect(resp.StatusCode, resp.Header); to != "" {
		return 0, nil, failure.Newf(failure.RetryLater, "GET %s: %w %d: %s", path, ErrHTTPStatus, resp.StatusCode, to)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return 0, nil, failure.Newf(failure.RetryNow, "GET %s: %w: read the answer: %w", path, ErrLost, failure.Bounded(err))
	case int64(len(body)) > limit:
		return 0, nil, failure.Newf(failure.RetryLater, "GET %s: %w of %d bytes", path, ErrTooLarge, limit)
	}
	return resp.StatusCode, body, nil
}

// heldBack notes an answer in hold and returns for how long it keeps further requests
// back: HTTP 429.
func heldBack(hold *failure.HoldBack, resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests {
		hold.Answered()
		return 0
	}
	now := time.Now()
	return hold.Limited(now, failure.RetryAfter(resp.Header.Get("Retry-After"), now))
}

// withoutURL drops a url.Error around err: its text repeats the URL.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
