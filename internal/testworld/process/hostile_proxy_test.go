//go:build integration

package test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	gibibyte = 1 << 30
	chunk    = 64 << 10
)

// answer is what a hostile node does with a request on a connection that it then
// closes; it ends with the connection.
type answer func(conn net.Conn, req *http.Request)

// hostileProxy stands before a node: it passes everything on, or answers itself.
type hostileProxy struct {
	t        *testing.T
	listener net.Listener
	upstream string
	mu       sync.Mutex
	hostile  answer
	only     string // path of the requests that are answered; "" for all
	conns    map[net.Conn]bool
	open     sync.WaitGroup
}

func newHostileProxy(t *testing.T, upstream string) *hostileProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &hostileProxy{t: t, listener: l, upstream: upstream, conns: map[net.Conn]bool{}}
	p.open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.keep(conn)
			p.open.Go(func() { defer p.drop(conn); p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.turn("", nil)
		p.open.Wait()
	})
	return p
}

func (p *hostileProxy) address() string { return p.listener.Addr().String() }

// turn makes the proxy hostile to requests of a path, or friendly with nil; every
// connection is cut.
func (p *hostileProxy) turn(only string, a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.only, p.hostile = only, a
	for conn := range p.conns {
		conn.Close()
	}
}

func (p *hostileProxy) keep(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = true
}

func (p *hostileProxy) drop(conn net.Conn) {
	conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
}

// serve takes one request a connection if it is hostile to it.
func (p *hostileProxy) serve(conn net.Conn) {
	p.mu.Lock()
	hostile, only := p.hostile, p.only
	p.mu.Unlock()
	var said bytes.Buffer // what the request was, to be passed on
	if hostile != nil {
		req, err := http.ReadRequest(bufio.NewReaderSize(io.TeeReader(conn, &said), chunk))
		if err != nil {
			return
		}
		if only == "" || strings.HasPrefix(req.URL.Path, only) {
			_, _ = io.Copy(io.Discard, req.Body)
			hostile(conn, req)
			return
		}
	}
	up, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	p.keep(up)
	defer p.drop(up)
	p.open.Go(func() {
		defer conn.Close()
		_, _ = io.Copy(conn, up)
	})
	_, _ = io.Copy(up, io.MultiReader(&said, conn))
}

// head is the begin of an HTTP answer.
func head(fields ...string) string {
	return "HTTP/1.1 200 OK\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

// saying answers with text and closes.
func saying(text string) answer {
	return func(conn net.Conn, _ *http.Request) { _, _ = io.WriteString(conn, text) }
}

// flood answers with begin and then n bytes of a repeated text.
func flood(begin, repeated string, n int64) answer {
	piece := []byte(strings.Repeat(repeated, chunk/len(repeated)+1))
	return func(conn net.Conn, _ *http.Request) {
		_, err := io.WriteString(conn, begin)
		for sent := int64(0); err == nil && sent < n; sent += int64(len(piece)) {
			_, err = conn.Write(piece)
		}
	}
}

// endless is more than anybody waits for.
const endless = 1 << 50

// chunked answers with chunks without end.
func chunked(conn net.Conn, _ *http.Request) {
	_, err := io.WriteString(conn, head("Content-Type: application/json", "Transfer-Encoding: chunked"))
	piece := fmt.Sprintf("%x\r\n%s\r\n", chunk, strings.Repeat("[", chunk))
	for err == nil {
		_, err = io.WriteString(conn, piece)
	}
}

// dripping answers with a byte a second.
func dripping(text string) answer {
	return func(conn net.Conn, _ *http.Request) {
		for i := 0; ; i++ {
			if _, err := io.WriteString(conn, text[i%len(text):i%len(text)+1]); err != nil {
				return
			}
			<-time.After(time.Second)
		}
	}
}

// holding answers with text and keeps the connection open.
func holding(text string) answer {
	return func(conn net.Conn, _ *http.Request) {
		if _, err := io.WriteString(conn, text); err == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
	}
}

// resetting answers with text and resets the connection.
func resetting(text string) answer {
	return func(conn net.Conn, _ *http.Request) {
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
}

// bomb is a gzip stream of a gibibyte that is a megabyte itself: members in a row.
func bomb(t *testing.T) answer {
	t.Helper()
	const part = 16 << 20
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	_, err := w.Write(bytes.Repeat([]byte(" "), part))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return flood(head("Content-Type: application/json", "Content-Encoding: gzip"), member.String(), gibibyte/part*int64(member.Len()))
}
