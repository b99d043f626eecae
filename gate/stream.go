package gate

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/gwatclient/jsonrpc"
)

// stream is a connection that carries whole messages in both directions: gwat's
// IPC form or a WebSocket. One goroutine may read while another one writes.
type stream interface {
	// next returns the next message. It must be read to its end, io.EOF, before
	// the next call.
	next() (io.Reader, error)
	// begin begins a message, which Close ends.
	begin() (io.WriteCloser, error)
	// framed reports whether the ends of messages show without reading them.
	framed() bool
	// conn is the connection underneath.
	conn() net.Conn
	// end closes the connection; reason is sent to the peer, if the stream can carry it.
	end(reason error)
}

// errForeign is the error of a stream whose next value is no object and no array:
// where it ends cannot be known, and gwat closes such a connection.
var errForeign = errors.New("neither a JSON object nor an array")

// ipcStream is a stream of JSON values, as gwat's IPC has it.
type ipcStream struct {
	c    net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	scan scanner
}

func newIPCStream(c net.Conn) *ipcStream {
	return &ipcStream{c: c, r: bufio.NewReaderSize(c, 16<<10), w: bufio.NewWriterSize(c, 16<<10)}
}

func (s *ipcStream) framed() bool   { return false }
func (s *ipcStream) conn() net.Conn { return s.c }
func (s *ipcStream) end(error)      { _ = s.c.Close() }

func (s *ipcStream) next() (io.Reader, error) {
	for {
		b, err := s.r.ReadByte()
		switch {
		case err != nil:
			return nil, err
		case b == ' ' || b == '\t' || b == '\r' || b == '\n':
			continue
		}
		_ = s.r.UnreadByte()
		s.scan.reset()
		return ipcMessage{s}, nil
	}
}

// ipcMessage reads to the end of one value.
type ipcMessage struct{ s *ipcStream }

func (m ipcMessage) Read(p []byte) (int, error) {
	s := m.s
	if s.scan.done {
		return 0, io.EOF
	}
	if _, err := s.r.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	ready, _ := s.r.Peek(min(s.r.Buffered(), len(p)))
	n := len(ready)
	if !s.scan.foreign {
		if n = s.scan.scan(ready); s.scan.foreign {
			n = len(ready) // to the end of the connection, as nobody knows better
		}
	}
	copy(p, ready[:n])
	_, _ = s.r.Discard(n)
	return n, nil
}

// begin returns a writer that ends its message with a newline.
func (s *ipcStream) begin() (io.WriteCloser, error) { return &ipcWriter{w: s.w}, nil }

type ipcWriter struct {
	w    *bufio.Writer
	last byte
}

func (w *ipcWriter) Write(p []byte) (int, error) {
	if len(p) > 0 {
		w.last = p[len(p)-1]
	}
	n, err := w.w.Write(p)
	if err == nil && w.w.Buffered() > 0 && len(p) >= 4<<10 {
		err = w.w.Flush() // a part of a long message does not wait for the rest
	}
	return n, err
}

func (w *ipcWriter) Close() error {
	if w.last != '\n' {
		if err := w.w.WriteByte('\n'); err != nil {
			return err
		}
	}
	return w.w.Flush()
}

// wsStream is a WebSocket.
type wsStream struct {
	ws *websocket.Conn
	mu sync.Mutex // of end
}

func (s *wsStream) framed() bool   { return true }
func (s *wsStream) conn() net.Conn { return s.ws.NetConn() }

func (s *wsStream) next() (io.Reader, error) {
	_, r, err := s.ws.NextReader()
	return r, err
}

func (s *wsStream) begin() (io.WriteCloser, error) { return s.ws.NextWriter(websocket.TextMessage) }

func (s *wsStream) end(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var closed *websocket.CloseError
	if errors.As(reason, &closed) && closed.Code != websocket.CloseAbnormalClosure && closed.Code != websocket.CloseNoStatusReceived {
		// gwat's code and text, as "message too big"; a peer that does not read gets none.
		_ = s.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(closed.Code, closed.Text), time.Now().Add(time.Second))
	}
	_ = s.ws.Close()
}

// dialStream connects to gwat. header is the caller's, nil for none; of it, what
// a handshake may carry is passed on.
func dialStream(ctx context.Context, e endpoint.Endpoint, header http.Header) (stream, error) {
	if e.Socket() {
		c, err := jsonrpc.DialIPC(ctx, e.Raw(), dialTimeout)
		if err != nil {
			return nil, &downError{e, err}
		}
		return newIPCStream(c), nil
	}
	pass := http.Header{}
	for _, name := range []string{"Authorization", "Origin", "User-Agent"} {
		if values := header[name]; len(values) > 0 {
			pass[name] = values
		}
	}
	u := e.URL()
	if u.User != nil && pass.Get("Authorization") == "" {
		r := http.Request{Header: pass}
		password, _ := u.User.Password()
		r.SetBasicAuth(u.User.Username(), password)
	}
	u.User = nil
	ws, err := jsonrpc.DialWebSocket(ctx, u.String(), pass, dialTimeout)
	if err != nil {
		return nil, &downError{e, err}
	}
	return &wsStream{ws: ws}, nil
}

// alive reports whether an idle connection is still open and has nothing to read.
func alive(c net.Conn) bool { p := newPeeker(c); return p.alive() }

// hungUp reports whether the peer has closed or reset the connection and all that it sent is read.
func hungUp(c net.Conn) bool {
	p := newPeeker(c)
	n, err := p.byte()
	return n == 0 && err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET)
}

// peeker looks into a connection without reading from it.
type peeker struct {
	raw  syscall.RawConn // nil if it has none
	look func(fd uintptr)
	n    int
	err  error
	b    [1]byte
}

func newPeeker(c net.Conn) *peeker {
	p := &peeker{}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return p
	}
	if p.raw, p.err = sc.SyscallConn(); p.err != nil {
		p.raw = nil
	}
	p.look = func(fd uintptr) {
		p.n, p.err = now(syscall.SYS_RECVFROM, fd, p.b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}
	return p
}

// alive reports whether the connection is open and has nothing to read.
func (p *peeker) alive() bool {
	_, err := p.byte()
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, errors.ErrUnsupported)
}

// byte looks for a byte that could be read at once.
func (p *peeker) byte() (n int, err error) {
	if p.raw == nil {
		return 0, cmp.Or(p.err, errors.ErrUnsupported)
	}
	// Control and not Read, which would wait for a reader of the connection.
	if failed := p.raw.Control(p.look); failed != nil {
		return 0, failed
	}
	return p.n, p.err
}
