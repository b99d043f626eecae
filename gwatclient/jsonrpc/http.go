package jsonrpc

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxHeaderBytes = 64 << 10
	idleConns      = 8
	idleTimeout    = 30 * time.Second
)

// NewTransport returns a transport without the environment's proxy and with bounds
// on dial, TLS handshake and header. Without keep each request has a connection of
// its own. It asks for no compression: gwat runs on this machine or near it, and packing and
// unpacking an answer costs both sides more than its bytes.
func NewTransport(timeout time.Duration, keep bool) *http.Transport {
	return &http.Transport{
		DialContext:            dialer(timeout).DialContext,
		TLSHandshakeTimeout:    timeout,
		DisableKeepAlives:      !keep,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// httpLink sends each request as an HTTP exchange of its own. It follows no
// redirect, which would carry the token to a host that nobody configured.
type httpLink struct {
	cfg         Config
	kept, fresh http.RoundTripper
	closed      context.Context // ends with close, and every exchange with it
	shut        context.CancelFunc
	idle        func()
}

func newHTTPLink(cfg Config) *httpLink {
	l := &httpLink{cfg: cfg, kept: cfg.Transport, fresh: cfg.Transport, idle: func() {}}
	l.closed, l.shut = context.WithCancel(context.Background())
	if cfg.Transport == nil {
		kept := NewTransport(cfg.Timeout, cfg.Repeatable)
		l.kept, l.fresh, l.idle = kept, NewTransport(cfg.Timeout, false), kept.CloseIdleConnections
	}
	return l
}

func (l *httpLink) close() {
	l.shut()
	l.idle()
}

func (l *httpLink) exchange(ctx context.Context, req request) (reply, error) {
	var used atomic.Bool // a connection was there, and so it is what failed
	r, err := l.send(ctx, req, l.kept, &used)
	var broken *TransportError
	if l.cfg.Repeatable && used.Load() && errors.As(err, &broken) && broken.Fate != Unreadable && ctx.Err() == nil {
		r, err = l.send(ctx, req, l.fresh, &used)
	}
	return r, err
}

func (l *httpLink) send(ctx context.Context, r request, over http.RoundTripper, used *atomic.Bool) (reply, error) {
	if l.closed.Err() != nil {
		return reply{}, notSent(errClosed)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.closed, cancel)()
	url, header, err := l.cfg.credentials()
	if err != nil {
		return reply{}, notSent(err)
	}
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { used.Store(true) },
		WroteHeaders: func() { sent.Store(true); used.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(r.body))
	if err != nil {
		return reply{}, notSent(err)
	}
	header.Set("Content-Type", "application/json")
	header.Set("Accept", "application/json")
	req.Header = header
	resp, err := over.RoundTrip(req)
	if err != nil {
		if sent.Load() {
			return reply{}, lost(err)
		}
		return reply{}, notSent(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, l.cfg.MaxBody+1))
	if err != nil {
		return reply{}, lost(fmt.Errorf("read the answer: %w", err))
	}
	if body, err = unpacked(resp, body, l.cfg.MaxBody+1); err != nil {
		return reply{}, unreadable(fmt.Errorf("unpack the answer: %w", err))
	}
	if int64(len(body)) > l.cfg.MaxBody {
		return reply{}, tooLarge(l.cfg.MaxBody)
	}
	if err := statusError(resp, body); err != nil {
		return reply{}, err
	}
	return decode(body)
}

// unpacked returns an answer's body as it is, or up to limit bytes of what is in it if it is
// compressed although that was not asked for, as a proxy may do it (RFC 9110, 12.5.3). A body
// of limit bytes is too large as it is.
func unpacked(resp *http.Response, body []byte, limit int64) ([]byte, error) {
	if !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") || int64(len(body)) == limit {
		return body, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, limit))
}
