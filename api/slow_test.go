package api

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener whose connections are in memory.
type pipes struct {
	conns chan net.Conn
	close func()
}

func newPipes() pipes {
	conns := make(chan net.Conn)
	return pipes{conns, sync.OnceFunc(func() { close(conns) })}
}

func (p pipes) Close() error { p.close(); return nil }
func (p pipes) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8650}
}

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// watchedConn is a server's connection that says when the server closes it.
type watchedConn struct {
	net.Conn
	closed chan struct{}
	close  func()
}

func (c watchedConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c watchedConn) Close() error         { c.close(); return c.Conn.Close() }

// A client that is slow or silent is cut off: so many connections are all there are.
func TestSlowClientsAreCutOff(t *testing.T) {
	const get = "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	for name, tc := range map[string]struct {
		sends string
		reads bool
		after time.Duration
	}{
		"sends nothing":            {"", true, 5 * time.Second},
		"sends half a header":      {get[:20], true, 5 * time.Second},
		"sends half a body":        {"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{", true, 15 * time.Second},
		"does not read its answer": {get, false, 30 * time.Second},
		"asks once":                {get, true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := New(Config{Listen: "127.0.0.1:8650", Log: quietLog()}, &fakePair{})
				require.NoError(t, err)
				l := newPipes()
				go func() { _ = s.public.Serve(l) }()
				client, conn := net.Pipe()
				closed := make(chan struct{})
				l.conns <- watchedConn{conn, closed, sync.OnceFunc(func() { close(closed) })}
				begin := time.Now()
				go func() { _, _ = io.WriteString(client, tc.sends) }()
				if tc.reads {
					go func() { _, _ = io.Copy(io.Discard, client) }()
				}
				<-closed
				took := time.Since(begin)
				_ = client.Close()
				s.stop(context.Background())
				require.GreaterOrEqual(t, took, tc.after)
				require.Less(t, took, tc.after+time.Second)
			})
		})
	}
}
