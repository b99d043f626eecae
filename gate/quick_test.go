package gate

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// posted writes body as a plain request with further headers.
func posted(body, headers string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(body), body)
}

// What is not plain by one sign only is left to net/http.
func TestPlainHeads(t *testing.T) {
	h, ok := readPlain([]byte(posted("{}", "Accept-Encoding: gzip\r\nX-A:  b \r\n")), "POST / HTTP/1.1\r\n")
	require.True(t, ok)
	require.Equal(t, 2, h.length)
	require.Equal(t, posted("{}", "X-A:  b \r\n"), string(h.without([]byte(posted("{}", "Accept-Encoding: gzip\r\nX-A:  b \r\n")))))
	for _, raw := range []string{
		"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n", "POST / HTTP/1.1\r\n\r\n",
		posted("", "Content-Length: 2\r\n"), posted("", "Transfer-Encoding: chunked\r\n"), posted("", "transfer-ENCODING: x\r\n"),
		posted("", "Connection: close\r\n"), posted("", "Upgrade: websocket\r\n"), posted("", "Expect: 100-continue\r\n"),
		posted("", "X : a\r\n"), posted("", " folded\r\n"), posted("", "X: a\n"), posted("", "X: a\x00\r\n"), posted("", ": a\r\n"),
		posted("", "X: \xe4\r\n"), posted("", "Accept-Encoding: a\r\nAccept-Encoding: b\r\n"), posted("", "Te: trailers\r\n"),
		"POST / HTTP/1.1\r\nHost: a/b\r\nContent-Length: 0\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 1\r\n",
	} {
		_, ok := readPlain([]byte(raw), "POST / HTTP/1.1\r\n")
		require.False(t, ok, "%q", raw)
	}
}

// A head that is taken for plain means the same to net/http.
func TestPlainHeadsMeanTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"\r\n", "\n", "\r", ":", " ", "\t", "0", "2", "Host", "host: b", "Content-Length: 2", "content-length:0", "Transfer-Encoding: chunked", "Accept-Encoding: x", "{}", "\x00", "\xe4", "POST ", "X-A:"}
	plain := 0
	for range 100_000 {
		raw := []byte(posted("{}", "Accept-Encoding: gzip\r\nX-A:  b \r\n"))
		for range 1 + random.IntN(3) {
			from := random.IntN(len(raw) + 1)
			until := min(len(raw), from+random.IntN(4))
			raw = slices.Concat(raw[:from], []byte(pieces[random.IntN(len(pieces))]), raw[until:])
		}
		h, ok := readPlain(raw, "POST / HTTP/1.1\r\n")
		if !ok || h.hosts != 1 || h.size+h.length != len(raw) {
			continue
		}
		plain++
		r := bufio.NewReader(bytes.NewReader(raw))
		req, err := http.ReadRequest(r)
		require.NoError(t, err, "%q", raw)
		body, err := io.ReadAll(req.Body)
		require.NoError(t, err)
		require.Equal(t, string(raw[h.size:]), string(body), "%q", raw)
		require.Zero(t, r.Buffered(), "%q", raw)
		require.Empty(t, req.TransferEncoding, "%q", raw)
		require.False(t, req.Close, "%q", raw)
		again, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(h.without(raw))))
		require.NoError(t, err)
		req.Header.Del("Accept-Encoding")
		require.Equal(t, req.Header, again.Header, "%q", raw)
		require.Equal(t, req.Host, again.Host, "%q", raw)
	}
	require.Greater(t, plain, 1000)
}

// slowGwat answers each call once it gets leave.
func slowGwat(t *testing.T) (s *httptest.Server, leave chan struct{}, calls, ended *atomic.Int64) {
	leave, calls, ended = make(chan struct{}), &atomic.Int64{}, &atomic.Int64{}
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		calls.Add(1)
		select {
		case <-leave:
			_, _ = io.WriteString(w, result(string(raw), `"0x1"`))
		case <-r.Context().Done():
			ended.Add(1)
		}
	}))
	t.Cleanup(s.Close)
	return s, leave, calls, ended
}

// dialRaw opens a connection to the gate's HTTP listener.
func dialRaw(t *testing.T, g *Gate) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", g.Addr(NameHTTP).String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c, bufio.NewReader(c)
}

// answered reads an answer to blockNumber as gwat gave it.
func answered(t *testing.T, r *bufio.Reader) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, trim(result(blockNumber, `"0x1"`)), trim(string(body)))
	return resp
}

// A call that gwat takes its time for changes hands with its connection, and is not repeated.
func TestSlowPlainCall(t *testing.T) {
	gwat, leave, calls, ended := slowGwat(t)
	g := startGate(t, gwat.URL, headSync)
	c, r := dialRaw(t, g)
	for i := range 3 {
		_, err := io.WriteString(c, posted(blockNumber, ""))
		require.NoError(t, err)
		waitFor(t, "the call", func() bool { return calls.Load() == int64(i+1) })
		if i == 0 {
			<-time.After(2 * quickWait) // there is no sign of the change
		}
		leave <- struct{}{}
		answered(t, r)
	}
	require.EqualValues(t, 3, g.Status().Calls)
	require.Equal(t, OutcomeOK, g.Calls(0)[0].Outcome)

	c, _ = dialRaw(t, g)
	_, err := io.WriteString(c, posted(blockNumber, ""))
	require.NoError(t, err)
	waitFor(t, "the call", func() bool { return calls.Load() == 4 })
	require.NoError(t, c.Close())
	waitFor(t, "its end at gwat", func() bool { return ended.Load() == 1 })
	waitFor(t, "its record", func() bool { return g.Status().Calls == 4 })
	require.Equal(t, OutcomeGone, g.Calls(3)[0].Outcome)
}

// A stop ends connections that wait for a call, and lets a call on its way end.
func TestPlainCallsAtAStop(t *testing.T) {
	gwat, leave, calls, _ := slowGwat(t)
	g, stop := startGateStop(t, gwat.URL, headSync)
	idle, _ := dialRaw(t, g)
	busy, r := dialRaw(t, g)
	_, err := io.WriteString(busy, posted(blockNumber, ""))
	require.NoError(t, err)
	waitFor(t, "the call", func() bool { return calls.Load() == 1 })
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	_, err = idle.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	leave <- struct{}{}
	resp := answered(t, r)
	require.True(t, resp.Close)
	<-stopped
}

// An owned call is answered whatever plain calls came before it over
// its connection.
func TestOwnedCallAfterPlainOnes(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, `"0x1"`) })
	g := startGate(t, gwat.endpoint("http"), headSync)
	c, r := dialRaw(t, g)
	for _, call := range []string{blockNumber, blockNumber, `{"jsonrpc":"2.0","id":2,"method":"dag_headSyncReady","params":[{}]}`, blockNumber} {
		_, err := io.WriteString(c, posted(call, "Accept-Encoding: gzip\r\n"))
		require.NoError(t, err)
		resp, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.True(t, strings.Contains(string(body), `"result":`), "%s", body)
	}
	require.Equal(t, []string{blockNumber, blockNumber, blockNumber}, gwat.messages())
	require.EqualValues(t, 4, g.Status().Calls)
}
