package gate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gwatsync/syncd/endpoint"
)

const (
	// maxWhole bounds a message that is written before the answer is read: it fits
	// into the system's buffers, so that writing never waits for gwat to read.
	maxWhole = 64 << 10
	// maxInformational bounds the 1xx answers before the real one.
	maxInformational = 5
)

// wholePool makes calls that are held whole. One goroutine writes the call and reads the
// answer, over a connection that is kept for the next one; http.Transport hands each
// call to two others, which takes longer than the rest of the gate.
type wholePool struct {
	at   endpoint.Endpoint
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	idle   []*wholeConn // the newest last
	sweeps *time.Timer  // runs while there are idle connections
	closed bool
}

// wholeConn is a connection to gwat that carries one call at a time.
type wholeConn struct {
	net.Conn
	r     *bufio.Reader
	room  int64 // how much of a head may still be read; a body has no bound
	body  bool
	peek  *peeker
	since time.Time
}

// Read reads from the connection within the bound of a head.
func (c *wholeConn) Read(p []byte) (int, error) {
	if c.body {
		return c.Conn.Read(p)
	}
	if c.room <= 0 {
		return 0, errors.New("the answer's header is too long")
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.room)])
	c.room -= int64(n)
	return n, err
}

// takes reports whether a message is sent this way; none is where sockets are replaced.
func (p *wholePool) takes(x *exchange) bool {
	_, held := x.body.(*bytes.Reader)
	return p.dial != nil && held && x.method == http.MethodPost && x.length > 0 && x.length <= maxWhole
}

var requests = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// do sends the request that write writes and returns the answer.
func (p *wholePool) do(ctx context.Context, write func(*bytes.Buffer)) (*reply, error) {
	c, err := p.take(ctx)
	if err != nil {
		return nil, p.failed(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	if err := c.send(write); err != nil {
		stop()
		_ = c.Close()
		return nil, p.failed(ctx, err)
	}
	return p.receive(ctx, c, stop)
}

// receive returns the answer to what was sent over c; stop ends the watch over the caller.
func (p *wholePool) receive(ctx context.Context, c *wholeConn, stop func() bool) (*reply, error) {
	resp, err := c.answer()
	if err != nil {
		stop()
		_ = c.Close()
		return nil, p.failed(ctx, err)
	}
	body := &wholeBody{ReadCloser: resp.Body, finish: func(whole bool) {
		if stop() && whole && !resp.Close && c.r.Buffered() == 0 {
			p.put(c)
		} else {
			_ = c.Close()
		}
	}}
	return &reply{status: resp.StatusCode, header: resp.Header, body: body, length: resp.ContentLength}, nil
}

func (p *wholePool) failed(ctx context.Context, err error) error {
	var op *net.OpError
	switch {
	case ctx.Err() != nil:
		return &cutError{p.at, ctx.Err()}
	case errors.As(err, &op) && op.Op == "dial":
		return &downError{p.at, err}
	}
	return &cutError{p.at, err}
}

// aPost is what the answers are read as answers to.
var aPost = &http.Request{Method: http.MethodPost}

// send writes a request at once.
func (c *wholeConn) send(write func(*bytes.Buffer)) error {
	buf := requests.Get().(*bytes.Buffer)
	defer requests.Put(buf)
	buf.Reset()
	write(buf)
	_, err := c.Conn.Write(buf.Bytes())
	return err
}

// answer reads the head of an answer.
func (c *wholeConn) answer() (*http.Response, error) {
	c.room, c.body = maxHeaderBytes, false
	for range maxInformational {
		resp, err := http.ReadResponse(c.r, aPost)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			c.body = true
			return resp, nil
		}
	}
	return nil, errors.New("too many informational answers")
}

// take returns a connection that is open, an idle one if there is any.
func (p *wholePool) take(ctx context.Context) (*wholeConn, error) {
	for {
		c := p.newest()
		if c == nil {
			break
		}
		if c.peek.alive() {
			return c, nil
		}
		_ = c.Close()
	}
	to := p.at.URL()
	address := to.Host
	if to.Port() == "" {
		address = net.JoinHostPort(to.Hostname(), "80")
	}
	conn, err := p.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &wholeConn{Conn: newDirect(conn), peek: newPeeker(conn)}
	c.r = bufio.NewReader(c)
	return c, nil
}

// newest takes out the idle connection that was used last, nil if there is none.
func (p *wholePool) newest() *wholeConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return c
}

func (p *wholePool) put(c *wholeConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= idleBackends {
		_ = c.Close()
		return
	}
	c.since = time.Now()
	p.idle = append(p.idle, c)
	if p.sweeps == nil {
		p.sweeps = time.AfterFunc(idleBackend, p.sweep)
	}
}

// sweep closes the connections that were not used for a while.
func (p *wholePool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := 0
	for old < len(p.idle) && time.Since(p.idle[old].since) >= idleBackend {
		_ = p.idle[old].Close()
		old++
	}
	kept := copy(p.idle, p.idle[old:])
	clear(p.idle[kept:])
	p.idle = p.idle[:kept]
	if p.sweeps = nil; kept > 0 && !p.closed {
		p.sweeps = time.AfterFunc(idleBackend-time.Since(p.idle[0].since), p.sweep)
	}
}

func (p *wholePool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweeps != nil {
		p.sweeps.Stop()
	}
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
}

// wholeBody is an answer's body. Once it is read to its end, the connection is free.
type wholeBody struct {
	io.ReadCloser
	finish func(whole bool)
	whole  bool
	over   bool
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.whole = b.whole || errors.Is(err, io.EOF)
	return n, err
}

// Close frees the connection. It does not read the rest of an answer.
func (b *wholeBody) Close() error {
	if !b.over {
		b.over = true
		b.finish(b.whole)
	}
	return nil
}
