package gate

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
)

// serveRaw answers every request on a listener of its own with the same bytes, and shows it to
// seen, if that is not nil. Its connections must have ended when the test does.
func serveRaw(tb testing.TB, answer string, seen func(*http.Request)) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	var served sync.WaitGroup
	tb.Cleanup(func() { l.Close(); served.Wait() })
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if seen != nil {
						seen(req)
					}
					if _, err := io.WriteString(c, answer); err != nil {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}

// BenchmarkForward is a short call over HTTP through the gate, on one connection.
func BenchmarkForward(b *testing.B) {
	body := result(blockNumber, `"0x1b4"`)
	gwat := serveRaw(b, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body), nil)
	metrics, err := NewMetrics(prometheus.NewRegistry())
	require.NoError(b, err)
	log := logrus.New()
	log.SetOutput(io.Discard)
	g, err := New(Config{HTTP: "127.0.0.1:0", Backend: "http://" + gwat, View: headSync, Log: log, Observe: metrics.Observe})
	require.NoError(b, err)
	require.NoError(b, g.Listen())
	done := make(chan error, 1)
	go func() { done <- g.Run(b.Context()) }()
	b.Cleanup(func() { <-done })

	c, err := net.Dial("tcp", g.Addr(NameHTTP).String())
	require.NoError(b, err)
	defer c.Close()
	call := []byte(fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nUser-Agent: bench\r\nContent-Length: %d\r\n\r\n%s", len(blockNumber), blockNumber))
	r := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		_, err := c.Write(call)
		require.NoError(b, err)
		resp, err := http.ReadResponse(r, nil)
		require.NoError(b, err)
		_, _ = io.Copy(io.Discard, resp.Body)
	}
}
