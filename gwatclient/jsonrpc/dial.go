package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	keepAlive = 15 * time.Second
	// writeTimeout ends a write to a node that has stopped reading.
	writeTimeout = 30 * time.Second
	maxStatus    = 1024 // bytes kept of the body of a refused WebSocket handshake
)

// dialer bounds a dial and notices a peer that vanished after 30 s.
func dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive / 3, Count: 3},
	}
}

// DialIPC connects to a Unix socket.
func DialIPC(ctx context.Context, path string, timeout time.Duration) (net.Conn, error) {
	return dialer(timeout).DialContext(ctx, "unix", path)
}

// writeBuffers are shared, as most connections write rarely.
var writeBuffers sync.Pool

// DialWebSocket connects to a ws(s) URL without user and password. The handshake
// ends with ctx and has a bound on its size; a refused one is a *StatusError.
func DialWebSocket(ctx context.Context, url string, header http.Header, timeout time.Duration) (*websocket.Conn, error) {
	var raw *budgetConn
	handOver := func() bool { return true }
	ws := websocket.Dialer{
		HandshakeTimeout: timeout,
		WriteBufferPool:  &writeBuffers,
		NetDialContext: func(dialing context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer(timeout).DialContext(dialing, network, addr)
			if err != nil {
				return nil, err
			}
			// The library's handshake obeys the deadline of ctx, but no cancel.
			handOver = context.AfterFunc(ctx, func() { conn.Close() })
			raw = &budgetConn{Conn: conn}
			raw.budget.Store(maxHeaderBytes)
			return raw, nil
		},
	}
	conn, resp, err := ws.DialContext(ctx, url, header)
	if !handOver() {
		err = errors.Join(ctx.Err(), err)
	}
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
		if status := statusError(resp, body); status != nil {
			return nil, status
		}
		return nil, &StatusError{Code: resp.StatusCode, Status: resp.Status, Header: resp.Header, Body: body}
	}
	if err != nil {
		return nil, err
	}
	raw.budget.Store(math.MaxInt64)
	return conn, nil
}

// budgetConn bounds what is read of a WebSocket handshake, which the library reads
// without end. A budget of MaxInt64 is never used up.
type budgetConn struct {
	net.Conn
	budget atomic.Int64 // bytes that may still be read
}

func (c *budgetConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.budget.Load() != math.MaxInt64 && c.budget.Add(-int64(n)) < 0 {
		return 0, errHeader
	}
	return n, err
}

func openIPC(ctx context.Context, cfg Config) (*session, error) {
	dial := cfg.Dial
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) { return DialIPC(ctx, cfg.Endpoint.Raw(), cfg.Timeout) }
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	bounded := &io.LimitedReader{R: conn}
	values := json.NewDecoder(bounded)
	return newSession(conn, func() ([]byte, error) {
		// What the decoder has read ahead belongs to this message, too.
		read, _ := values.Buffered().(interface{ Len() int })
		bounded.N = max(0, cfg.MaxBody-int64(read.Len()))
		var message json.RawMessage
		err := values.Decode(&message)
		var syntax *json.SyntaxError
		switch {
		case err != nil && bounded.N <= 0:
			err = tooLarge(cfg.MaxBody)
		case errors.As(err, &syntax):
			err = unreadable(err)
		}
		return message, err
	}, func(message []byte) error {
		if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		_, err := conn.Write(append(message, '\n'))
		return err
	}), nil
}

func openWebSocket(ctx context.Context, cfg Config) (*session, error) {
	url, header, err := cfg.credentials()
	if err != nil {
		return nil, err
	}
	conn, err := DialWebSocket(ctx, url, header, cfg.Timeout)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(cfg.MaxBody)
	return newSession(conn.NetConn(), func() ([]byte, error) {
		_, message, err := conn.ReadMessage()
		if errors.Is(err, websocket.ErrReadLimit) {
			err = tooLarge(cfg.MaxBody)
		}
		return message, err
	}, func(message []byte) error {
		if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		return conn.WriteMessage(websocket.TextMessage, message)
	}), nil
}
