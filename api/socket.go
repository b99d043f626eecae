package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"
)

const (
	pingInterval     = 30 * time.Second
	pongWait         = 75 * time.Second // a peer that is silent for so long is gone
	socketWriteLimit = 10 * time.Second // a reader that takes nothing for so long is let go
)

// The origin was checked by the gate, with the same rule as for HTTP.
var upgrader = websocket.Upgrader{
	ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &sync.Pool{},
	CheckOrigin: func(*http.Request) bool { return true },
}

// serveSocket carries a WebSocket until it ends; their number is bounded.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request, server *rpc.Server) {
	select {
	case s.sockets <- struct{}{}:
		defer func() { <-s.sockets }()
	default:
		writeText(w, http.StatusServiceUnavailable, fmt.Sprintf("%d WebSockets are open already.\n", maxWebSockets))
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	c := &socket{conn: conn, limiter: s.limiters.of(r.RemoteAddr), remote: r.RemoteAddr}
	c.ctx, c.stop = context.WithCancel(context.WithoutCancel(r.Context()))
	conn.SetReadLimit(maxBody)
	conn.SetPongHandler(func(string) error { return conn.SetReadDeadline(time.Now().Add(pongWait)) })
	var pings sync.WaitGroup
	pings.Go(c.ping)
	server.ServeCodec(rpc.NewCodec(c), 0)
	c.stop()
	pings.Wait()
}

// socket is a WebSocket as go-ethereum's server takes a connection: a stream of
// JSON texts. What must happen before the server sees a request happens here.
type socket struct {
	conn    *websocket.Conn
	limiter *rate.Limiter
	remote  string
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	unread  []byte

	mu sync.Mutex // of writing
}

// Read returns the next message. Too many calls are held back rather than refused.
func (c *socket) Read(p []byte) (int, error) {
	for len(c.unread) == 0 {
		if err := c.conn.SetReadDeadline(time.Now().Add(pongWait)); err != nil {
			return 0, err
		}
		_, raw, err := c.conn.ReadMessage()
		if err != nil {
			return 0, io.EOF
		}
		calls, body, ok := prepare(raw)
		if c.limiter != nil {
			if err := c.limiter.WaitN(c.ctx, calls); err != nil {
				return 0, io.EOF
			}
		}
		if !ok { // answered here: go-ethereum's server would end the connection
			if _, err := c.Write(errorMessage(&rpcError{code: codeParse, msg: "the message is no JSON"})); err != nil {
				return 0, err
			}
			continue
		}
		c.unread = append(body, '\n')
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// Write sends one message; go-ethereum's server writes each in one piece.
func (c *socket) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(socketWriteLimit)); err != nil {
		return 0, err
	}
	if err := c.conn.WriteMessage(websocket.TextMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetWriteDeadline does nothing: every write has its own.
func (c *socket) SetWriteDeadline(time.Time) error { return nil }

// RemoteAddr is for go-ethereum's log lines.
func (c *socket) RemoteAddr() string { return c.remote }

func (c *socket) Close() error {
	c.stop()
	return c.conn.Close()
}

// ping keeps the way open through proxies and finds out that a peer is gone.
func (c *socket) ping() {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
			if err := c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(socketWriteLimit)); err != nil {
				_ = c.conn.Close() // the reader sees it
				return
			}
		}
	}
}
