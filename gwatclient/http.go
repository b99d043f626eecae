package gwatclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

const (
	maxHeaderBytes = 64 << 10
	keepAlive      = 15 * time.Second
	idleConns      = 8
	idleTimeout    = 30 * time.Second
)

// httpWire sends each call as an HTTP request of its own.
type httpWire struct {
	transport *http.Transport
	endpoint  string
	options   []rpc.ClientOption
	closed    context.Context // ends with close, and every call with it
	shut      context.CancelFunc
}

// newHTTPWire makes a wire that keeps idle connections for the next call or not.
func newHTTPWire(cfg Config, keep bool) *httpWire {
	w := &httpWire{
		endpoint: cfg.Endpoint,
		transport: &http.Transport{
			DialContext:            netDialer(cfg.Timeout).DialContext, // a node is reached without the environment's proxy
			TLSHandshakeTimeout:    cfg.Timeout,
			DisableKeepAlives:      !keep,
			MaxIdleConnsPerHost:    idleConns,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
	}
	w.closed, w.shut = context.WithCancel(context.Background())
	base := cfg.Transport
	if base == nil {
		base = w.transport
	}
	w.options = []rpc.ClientOption{rpc.WithHTTPClient(&http.Client{
		Transport: &boundedTransport{base: base, limit: cfg.MaxBody},
		// A redirect would carry the token to a host that nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})}
	if cfg.JWTSecret != nil {
		w.options = append(w.options, rpc.WithHTTPAuth(jwtAuth(cfg.JWTSecret)))
	}
	return w
}

func (w *httpWire) do(ctx context.Context, fn func(context.Context, *rpc.Client) error) error {
	if w.closed.Err() != nil {
		return &wireError{notSent, errClosed}
	}
	// Over HTTP this connects to nothing and starts nothing.
	client, err := rpc.DialOptions(ctx, w.endpoint, w.options...)
	if err != nil {
		return &wireError{notSent, withoutURL(err)}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.closed, cancel)()
	err = fn(ctx, client)
	if err == nil {
		return nil
	}
	var wire *wireError
	var status rpc.HTTPError
	var answered rpc.Error
	switch {
	case errors.As(err, &wire):
		return wire // and not the url.Error around it, which repeats the URL's query
	case errors.As(err, &answered), errors.As(err, &status):
		return err
	case ctx.Err() != nil:
		return &wireError{lost, ctx.Err()}
	}
	return &wireError{garbled, err}
}

func (w *httpWire) close() {
	w.shut()
	w.transport.CloseIdleConnections()
}

// boundedTransport reads every answer whole, up to a limit, before the rpc
// library sees it: the library reads without end, and does not tell a cut
// answer from a bad one. It also says whether the request was sent at all.
type boundedTransport struct {
	base  http.RoundTripper
	limit int64
}

func (t *boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	resp, err := t.base.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		if sent.Load() {
			return nil, &wireError{lost, withoutURL(err)}
		}
		return nil, &wireError{notSent, withoutURL(err)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.limit+1))
	resp.Body.Close()
	switch {
	case err != nil:
		return nil, &wireError{lost, fmt.Errorf("read the answer: %w", err)}
	case int64(len(body)) > t.limit:
		return nil, &wireError{garbled, fmt.Errorf("%w of %d bytes", errTooLarge, t.limit)}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// withoutURL drops a url.Error around err: its text repeats the URL.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
