package gwatclient

import (
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// unlimited is a budget that no connection uses up.
const unlimited = math.MaxInt64

// watchedConn is a connection that says when it is gone: closed by anybody, or
// failed in a read or a write.
type watchedConn struct {
	net.Conn
	budget atomic.Int64 // bytes that may still be read; bounds a WebSocket handshake
	once   sync.Once
	gone   chan struct{}
}

func watch(conn net.Conn) *watchedConn {
	c := &watchedConn{Conn: conn, gone: make(chan struct{})}
	c.budget.Store(unlimited)
	return c
}

func (c *watchedConn) lost() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.budget.Load() != unlimited && c.budget.Add(-int64(n)) < 0 {
		err = fmt.Errorf("handshake: %w of %d bytes", errTooLarge, maxHeaderBytes)
	}
	if err != nil {
		c.Close()
	}
	return n, err
}

func (c *watchedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		c.Close()
	}
	return n, err
}

func (c *watchedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.gone) })
	return err
}

// writeTimeout ends a write to a node that has stopped reading.
const writeTimeout = 30 * time.Second

// deadlineWriter gives each write a deadline; the rpc library sets none on a
// pair of reader and writer.
type deadlineWriter struct{ conn *watchedConn }

func (w deadlineWriter) Write(p []byte) (int, error) {
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return w.conn.Write(p)
}

// messageLimiter ends a stream of JSON values when one of them grows over the
// limit; the rpc library would collect it in memory without end.
type messageLimiter struct {
	from     *watchedConn
	limit    int64
	size     int64
	depth    int
	inString bool
	escaped  bool
}

var _ io.Reader = (*messageLimiter)(nil)

func (l *messageLimiter) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	for _, b := range p[:n] {
		if l.next(b); l.size > l.limit {
			l.from.Close()
			return 0, fmt.Errorf("%w of %d bytes", errTooLarge, l.limit)
		}
	}
	return n, err
}

// next counts b; the count starts anew when an object or array is complete.
func (l *messageLimiter) next(b byte) {
	l.size++
	switch {
	case l.escaped:
		l.escaped = false
	case l.inString:
		l.escaped, l.inString = b == '\\', b != '"'
	case b == '"':
		l.inString = true
	case b == '{' || b == '[':
		l.depth++
	case b == '}' || b == ']':
		if l.depth--; l.depth <= 0 {
			l.depth, l.size = 0, 0
		}
	}
}
