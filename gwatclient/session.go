package gwatclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"

	"github.com/gwatsync/syncd/failure"
)

// writeTimeout ends a write to a node that has stopped reading.
const writeTimeout = 30 * time.Second

// session is one connection and the rpc client on it. A pump of our own passes
// the node's messages on: when a stream breaks, the rpc library at times leaves a
// call without an answer, and stops reading garbage without closing it.
type session struct {
	conn   net.Conn
	client *rpc.Client
	pump   sync.WaitGroup
	over   chan struct{} // closed when the connection has ended
	cause  error         // why; to be read after over
}

// newSession starts a session: next reads a whole JSON message, out writes one.
func newSession(ctx context.Context, conn net.Conn, next func() ([]byte, error), out io.Writer) (*session, error) {
	from, to := io.Pipe()
	client, err := rpc.DialIO(ctx, from, out)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, client: client, over: make(chan struct{})}
	s.pump.Go(func() {
		for s.cause == nil {
			var message []byte
			if message, s.cause = next(); s.cause == nil {
				_, s.cause = to.Write(message)
			}
		}
		// First of all: who gets the error from the library must find it over.
		close(s.over)
		conn.Close()
		to.CloseWithError(s.cause)
	})
	return s, nil
}

func (s *session) lost() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// close ends the connection first: the library's own close waits for its reader.
func (s *session) close() {
	s.conn.Close()
	s.client.Close()
	s.pump.Wait()
}

func netDialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive / 3, Count: 3},
	}
}

// ipcDialer dials a Unix socket.
func ipcDialer(cfg Config) func(context.Context) (*session, error) {
	return func(ctx context.Context) (*session, error) {
		conn, err := netDialer(cfg.Timeout).DialContext(ctx, "unix", cfg.Endpoint)
		if err != nil {
			return nil, err
		}
		return ipcSession(ctx, conn, cfg.MaxBody)
	}
}

// ipcSession takes JSON values in a row as messages, each within a limit.
func ipcSession(ctx context.Context, conn net.Conn, limit int64) (*session, error) {
	decoder := json.NewDecoder(&messageLimiter{from: conn, limit: limit})
	next := func() ([]byte, error) {
		var message json.RawMessage
		err := decoder.Decode(&message)
		return message, err
	}
	return newSession(ctx, conn, next, messageWriter{conn, func(message []byte) error {
		_, err := conn.Write(message)
		return err
	}})
}

// errNotJSON tells a WebSocket message that is none.
var errNotJSON = errors.New("message is not JSON")

// websocketDialer dials a WebSocket, with a fresh token.
func websocketDialer(cfg Config) func(context.Context) (*session, error) {
	return func(ctx context.Context) (*session, error) {
		endpoint, header, err := handshake(cfg)
		if err != nil {
			return nil, err
		}
		var raw *budgetConn
		handOver := func() bool { return true }
		dialer := websocket.Dialer{
			HandshakeTimeout: cfg.Timeout,
			NetDialContext: func(dialing context.Context, network, addr string) (net.Conn, error) {
				conn, err := netDialer(cfg.Timeout).DialContext(dialing, network, addr)
				if err != nil {
					return nil, err
				}
				// The library's handshake obeys the deadline of ctx, and no cancel.
				handOver = context.AfterFunc(ctx, func() { conn.Close() })
				raw = &budgetConn{Conn: conn}
				raw.budget.Store(maxHeaderBytes)
				return raw, nil
			},
		}
		conn, resp, err := dialer.DialContext(ctx, endpoint, header)
		if !handOver() {
			err = ctx.Err()
		}
		if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
			body, _ := io.ReadAll(io.LimitReader(resp.Body, failure.MaxText))
			return nil, rpc.HTTPError{StatusCode: resp.StatusCode, Status: resp.Status, Body: body}
		}
		if err != nil {
			return nil, err
		}
		raw.budget.Store(unlimited)
		conn.SetReadLimit(cfg.MaxBody)
		next := func() ([]byte, error) {
			_, message, err := conn.ReadMessage()
			if err == nil && !json.Valid(message) {
				err = errNotJSON
			}
			return message, err
		}
		return newSession(ctx, conn.NetConn(), next, messageWriter{conn.NetConn(), func(message []byte) error {
			return conn.WriteMessage(websocket.TextMessage, bytes.TrimSpace(message))
		}})
	}
}

// handshake gives the URL without user and password, and the header with the
// token or with them.
func handshake(cfg Config) (string, http.Header, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return "", nil, withoutURL(err)
	}
	req := http.Request{Header: make(http.Header)}
	if u.User != nil {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
		u.User = nil
	}
	if cfg.JWTSecret != nil {
		err = jwtAuth(cfg.JWTSecret)(req.Header)
	}
	return u.String(), req.Header, err
}
