package gwatclient

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
)

var (
	errClosed  = errors.New("client is closed")
	errGone    = errors.New("connection lost")
	errOneDial = errors.New("one connection a session")
)

// answerGrace is how long a call still waits for an answer that was read
// before the connection ended.
const answerGrace = 500 * time.Millisecond

// streamWire keeps one connection (WebSocket or IPC), dialled at the first
// call and again after it was lost. The rpc library's own redial is not used: it
// leaves a call without an answer if the connection ends while it is being sent.
type streamWire struct {
	dial    func(context.Context) (*session, error)
	timeout time.Duration
	closed  context.Context
	shut    context.CancelFunc
	turn    chan struct{} // holds one token: who has it may dial

	mu      sync.Mutex
	current *session
	calls   sync.WaitGroup
}

// session is one connection and the rpc client on it.
type session struct {
	conn   *watchedConn
	client *rpc.Client
}

// close ends the connection first: the library's own close waits for writers.
func (s *session) close() {
	s.conn.Close()
	s.client.Close()
}

func newStreamWire(timeout time.Duration, dial func(context.Context) (*session, error)) *streamWire {
	w := &streamWire{dial: dial, timeout: timeout, turn: make(chan struct{}, 1)}
	w.closed, w.shut = context.WithCancel(context.Background())
	return w
}

func (w *streamWire) do(ctx context.Context, fn func(context.Context, *rpc.Client) error) error {
	s, err := w.session(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	w.mu.Lock()
	if w.closed.Err() != nil {
		w.mu.Unlock()
		return &wireError{notSent, errClosed}
	}
	w.calls.Add(1)
	w.mu.Unlock()
	// The library blocks in a write for as long as the node does not read; the
	// goroutine ends with the write's deadline or with the connection.
	go func() {
		defer w.calls.Done()
		done <- fn(ctx, s.client)
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.conn.gone:
		select {
		case err = <-done:
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(answerGrace):
			err = errGone
		}
	}
	var answered rpc.Error
	switch {
	case err == nil, errors.As(err, &answered):
		return err
	case unreadable(err):
		return &wireError{garbled, err}
	}
	return &wireError{lost, err}
}

// session gives the live connection or dials a new one; only one caller dials,
// and each waits no longer than its own ctx.
func (w *streamWire) session(ctx context.Context) (*session, error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return nil, &wireError{notSent, ctx.Err()}
	case <-w.closed.Done():
		return nil, &wireError{notSent, errClosed}
	}
	w.mu.Lock()
	current := w.current
	w.mu.Unlock()
	if current != nil {
		if !current.conn.lost() {
			return current, nil
		}
		current.close()
	}
	dialCtx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	defer context.AfterFunc(w.closed, cancel)()
	next, err := w.dial(dialCtx)
	if err != nil {
		return nil, dialError(ctx, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.Err() != nil {
		next.close()
		return nil, &wireError{notSent, errClosed}
	}
	w.current = next
	return next, nil
}

func (w *streamWire) close() {
	w.shut()
	w.mu.Lock()
	current := w.current
	w.current = nil
	w.mu.Unlock()
	if current != nil {
		current.close()
	}
	w.calls.Wait()
}

// dialError tells a refused WebSocket handshake, of which the library leaves
// only the text, from a node that is not there.
func dialError(ctx context.Context, err error) error {
	if errors.Is(err, websocket.ErrBadHandshake) {
		if _, text, ok := strings.Cut(err.Error(), "(HTTP status "); ok {
			status := strings.TrimSuffix(text, ")")
			number, _, _ := strings.Cut(status, " ")
			if code, convErr := strconv.Atoi(number); convErr == nil {
				return rpc.HTTPError{StatusCode: code, Status: status}
			}
		}
	}
	if ctx.Err() != nil {
		return &wireError{notSent, ctx.Err()}
	}
	return &wireError{notSent, err}
}

// websocketDialer dials a WebSocket, with a fresh token.
func websocketDialer(cfg Config) func(context.Context) (*session, error) {
	return func(ctx context.Context) (*session, error) {
		var conn *watchedConn
		dialer := websocket.Dialer{
			HandshakeTimeout: cfg.Timeout,
			NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if conn != nil {
					return nil, errOneDial
				}
				raw, err := (&net.Dialer{KeepAlive: keepAlive}).DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				conn = watch(raw)
				conn.budget.Store(maxHeaderBytes)
				return conn, nil
			},
		}
		options := []rpc.ClientOption{
			rpc.WithWebsocketDialer(dialer),
			rpc.WithWebsocketMessageSizeLimit(cfg.MaxBody),
		}
		if cfg.JWTSecret != nil {
			options = append(options, rpc.WithHTTPAuth(jwtAuth(cfg.JWTSecret)))
		}
		client, err := rpc.DialOptions(ctx, cfg.Endpoint, options...)
		if err != nil {
			return nil, err
		}
		conn.budget.Store(unlimited)
		return &session{conn, client}, nil
	}
}

// ipcDialer dials a Unix socket.
func ipcDialer(cfg Config) func(context.Context) (*session, error) {
	return func(ctx context.Context) (*session, error) {
		raw, err := new(net.Dialer).DialContext(ctx, "unix", cfg.Endpoint)
		if err != nil {
			return nil, err
		}
		conn := watch(raw)
		client, err := rpc.DialIO(ctx, &messageLimiter{from: conn, limit: cfg.MaxBody}, deadlineWriter{conn})
		if err != nil {
			conn.Close()
			return nil, err
		}
		return &session{conn, client}, nil
	}
}
