// Package apiclient asks a running syncd over its own API: JSON-RPC over HTTP,
// and subscriptions over WebSocket. It knows methods and forms, and leaves what
// the answers mean to its caller.
package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/status"
)

const (
	// callTimeout bounds one call; the answer is in syncd's memory.
	callTimeout = 5 * time.Second
	// maxAnswer bounds what something that is no syncd may send, in bytes.
	maxAnswer = 16 << 20
	// codeRetryLater is the code of an answer that is not there yet.
	codeRetryLater = -32011
)

// Errors, told by errors.Is.
var (
	ErrAddress = errors.New("unusable API address")    // no URL of an API
	ErrNoSyncd = errors.New("syncd gives no answer")   // nobody listens, or something else
	ErrNothing = errors.New("nothing is known yet")    // syncd runs and has not looked at the nodes
	ErrMethod  = errors.New("syncd lacks this method") // as an older one does
)

// Client asks one syncd. It is safe for concurrent use.
type Client struct {
	address string // without a password
	socket  string // of the subscriptions
	rpc     *rpc.Client
	http    *http.Transport
}

// New checks the address; it does not connect. Close ends the client.
func New(address string) (*Client, error) {
	at, err := endpoint.Syncd.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	c := &Client{
		address: at.String(), socket: "ws" + strings.TrimPrefix(at.URL().String(), "http"),
		http: &http.Transport{DialContext: (&net.Dialer{Timeout: callTimeout}).DialContext, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment},
	}
	c.rpc, err = rpc.DialOptions(context.Background(), address, rpc.WithHTTPClient(&http.Client{Transport: bounded{c.http}}))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return c, nil
}

// Close ends the connections.
func (c *Client) Close() {
	c.rpc.Close()
	c.http.CloseIdleConnections()
}

// Address is the API's, without user and password.
func (c *Client) Address() string { return c.address }

// bounded ends an answer that is too long.
type bounded struct{ base http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.base.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// Status asks for the newest snapshot (syncd_status).
func (c *Client) Status(ctx context.Context) (*status.Snapshot, error) {
	var snap *status.Snapshot
	if err := c.call(ctx, &snap, "syncd_status"); err != nil {
		return nil, err
	}
	if snap == nil || snap.Stage == "" {
		return nil, fmt.Errorf("%w: the answer of %s is no status; is something else listening there?", ErrNoSyncd, c.address)
	}
	return snap, nil
}

// History asks for the newest stage changes, the newest first (syncd_history).
func (c *Client) History(ctx context.Context, limit int) ([]status.Change, error) {
	var changes []status.Change
	err := c.call(ctx, &changes, "syncd_history", limit)
	return changes, err
}

// Config asks for the settings of the running syncd with its secrets masked
// (syncd_config), as JSON.
func (c *Client) Config(ctx context.Context) (json.RawMessage, error) {
	var config json.RawMessage
	err := c.call(ctx, &config, "syncd_config")
	return config, err
}

func (c *Client) call(ctx context.Context, out any, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.explain(c.rpc.CallContext(ctx, out, method, args...))
}

// explain gives an error its sentinel and its remedy.
func (c *Client) explain(err error) error {
	if err == nil {
		return nil
	}
	var answer rpc.HTTPError
	var answered rpc.Error
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &answer) && answer.StatusCode != http.StatusForbidden: // the page of something else is no help; a refusal of syncd is
		return fmt.Errorf("%w: %s answers %s; is something else listening there?", ErrNoSyncd, c.address, failure.Text(answer.Status))
	case errors.As(err, &answered) && answered.ErrorCode() == codeRetryLater:
		return fmt.Errorf("%w: %s", ErrNothing, failure.Text(answered.Error()))
	case errors.As(err, &answered) && answered.ErrorCode() == -32601:
		return fmt.Errorf("%w: %s says %s; is it syncd, and as new as this one?", ErrMethod, c.address, failure.Text(answered.Error()))
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %s sends no JSON-RPC; is something else listening there?", ErrNoSyncd, c.address)
	}
	return fmt.Errorf("%w at %s: %s; is it running, and is this address its --api.listen?", ErrNoSyncd, c.address, failure.Text(err.Error()))
}
