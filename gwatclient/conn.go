package gwatclient

import (
	"fmt"
	"io"
	"math"
	"net"
	"sync/atomic"
	"time"
)

// unlimited is a budget that no connection uses up.
const unlimited = math.MaxInt64

// budgetConn bounds what is read of a WebSocket handshake, which the library
// reads without end.
type budgetConn struct {
	net.Conn
	budget atomic.Int64 // bytes that may still be read
}

func (c *budgetConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.budget.Load() != unlimited && c.budget.Add(-int64(n)) < 0 {
		return 0, fmt.Errorf("handshake: %w of %d bytes", errTooLarge, maxHeaderBytes)
	}
	return n, err
}

// messageWriter writes whole messages, each with a deadline, and ends the
// connection when one fails: what follows half a message is no message.
type messageWriter struct {
	conn net.Conn
	send func([]byte) error
}

func (w messageWriter) Write(message []byte) (int, error) {
	err := w.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		err = w.send(message)
	}
	if err != nil {
		w.conn.Close()
		return 0, err
	}
	return len(message), nil
}

// messageLimiter ends a stream of JSON values when one of them grows over the
// limit; a decoder would collect it in memory without end.
type messageLimiter struct {
	from     io.Reader
	limit    int64
	size     int64
	depth    int
	inString bool
	escaped  bool
}

func (l *messageLimiter) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	for _, b := range p[:n] {
		if l.next(b); l.size > l.limit {
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
