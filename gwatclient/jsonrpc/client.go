package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gwatsync/syncd/endpoint"
)

// Config describes one node's endpoint.
type Config struct {
	Endpoint endpoint.Endpoint // HTTP, WebSocket or IPC
	Timeout  time.Duration     // of a dial with its handshakes
	MaxBody  int64             // bytes of an answer
	// Authorize, if it is not nil, adds credentials to each HTTP request and each
	// WebSocket handshake. Its error ends the call as NotSent.
	Authorize func(http.Header) error
	// Repeatable says that every call may be made twice without harm. HTTP
	// connections are then kept for the next call, which a server may close at any
	// moment; so a call that was lost is repeated once, on a fresh connection.
	// Otherwise no call is ever repeated.
	Repeatable bool
	// Transport replaces sockets for an http(s) endpoint; nil dials. It must call the
	// request's httptrace WroteHeaders once the node may have the request.
	Transport http.RoundTripper
	// Dial replaces the dial of an IPC endpoint; nil connects to its socket.
	Dial func(context.Context) (net.Conn, error)
}

// Client makes calls to one node. It is safe for concurrent use. The errors of its
// calls are of type *TransportError, *StatusError or *Error.
type Client struct {
	link   link
	nextID *atomic.Uint64 // nil: each request is an exchange of its own and starts at 1
}

// link carries one request and its reply.
type link interface {
	exchange(ctx context.Context, req request) (reply, error)
	close()
}

// New returns a Client; it does not connect.
func New(cfg Config) *Client {
	c := new(Client)
	switch cfg.Endpoint.Scheme() {
	case "http", "https":
		c.link = newHTTPLink(cfg)
	case "ws", "wss":
		c.link, c.nextID = newStreamLink(cfg, openWebSocket), new(atomic.Uint64)
	default:
		c.link, c.nextID = newStreamLink(cfg, openIPC), new(atomic.Uint64)
	}
	return c
}

// Close ends the connections and every call in flight.
func (c *Client) Close() { c.link.close() }

// Call makes one call and returns its result as it came.
func (c *Client) Call(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	req, r, err := c.exchange(ctx, false, method, [][]any{args})
	switch {
	case err != nil:
		return nil, err
	case r.batch:
		return nil, unreadable(errors.New("a list answers a single call"))
	case r.list[0].Error == nil && req.index(r.list[0]) < 0:
		return nil, unreadable(fmt.Errorf("a result for the id %s answers the call %d", r.list[0].ID, req.first))
	}
	return r.list[0].value(false)
}

// Batch makes several calls of one method as one request. The first error of a
// call is the error of all; an error in place of the list has Error.Batch set.
func (c *Client) Batch(ctx context.Context, method string, calls [][]any) ([]json.RawMessage, error) {
	req, r, err := c.exchange(ctx, true, method, calls)
	var status *StatusError
	if errors.As(err, &status) && status.ofRequest() {
		if said, bad := decode(status.Body); bad == nil && said.refuses(req) {
			r, err = said, nil
		}
	}
	switch {
	case err != nil:
		return nil, err
	case r.refuses(req):
		_, err = r.list[0].value(true)
		return nil, err
	case !r.batch:
		return nil, unreadable(errors.New("a single result answers a batch"))
	}
	answers := make([]*response, len(calls))
	for _, one := range r.list {
		if i := req.index(one); i >= 0 {
			answers[i] = &one
		}
	}
	results := make([]json.RawMessage, len(calls))
	for i, one := range answers {
		if one == nil {
			return nil, unreadable(fmt.Errorf("the batch's answer lacks call %d of %d", i+1, len(calls)))
		}
		if results[i], err = one.value(false); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func (c *Client) exchange(ctx context.Context, batch bool, method string, calls [][]any) (request, reply, error) {
	first := uint64(1)
	if c.nextID != nil {
		n := uint64(len(calls))
		first = c.nextID.Add(n) - n + 1
	}
	req, err := encode(first, batch, method, calls)
	if err != nil {
		return req, reply{}, notSent(err)
	}
	if ctx.Err() != nil { // encoding takes its time
		return req, reply{}, notSent(ctx.Err())
	}
	r, err := c.link.exchange(ctx, req)
	return req, r, err
}

// credentials returns the endpoint without its user and password, and the headers
// that carry them or what Authorize adds.
func (cfg Config) credentials() (string, http.Header, error) {
	u := cfg.Endpoint.URL()
	req := http.Request{Header: make(http.Header)}
	if u.User != nil {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
		u.User = nil
	}
	if cfg.Authorize != nil {
		if err := cfg.Authorize(req.Header); err != nil {
			return "", nil, err
		}
	}
	return u.String(), req.Header, nil
}
