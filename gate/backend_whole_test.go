package gate

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
)

const blockNumber = `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`

// exchangeWhole makes a call through b and reads its answer.
func exchangeWhole(ctx context.Context, b backend, body string) (*reply, string, error) {
	r, err := b.do(ctx, &exchange{
		method: http.MethodPost, url: &url.URL{Path: "/"}, host: "gwat", body: bytes.NewReader([]byte(body)), length: int64(len(body)),
		header: http.Header{"Content-Type": {"application/json"}, "Connection": {"X-Own"}, "X-Own": {"1"}, "Authorization": {"Bearer t"}},
	})
	if err != nil {
		return nil, "", err
	}
	defer r.body.Close()
	answer, err := io.ReadAll(r.body)
	return r, string(answer), err
}

// wholeBackend is a backend before a server that answers as serve does. It counts the
// connections that were opened to the server.
func wholeBackend(t *testing.T, serve http.HandlerFunc) (*httpBackend, *httptest.Server, *atomic.Int64) {
	t.Helper()
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(serve)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	at, err := endpoint.Gwat.Parse(s.URL)
	require.NoError(t, err)
	b := newHTTPBackend(at, nil)
	t.Cleanup(b.close)
	return b, s, &opened
}

func TestWholeCallsShareAConnection(t *testing.T) {
	b, _, opened := wholeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %q %q %s", r.Method, r.Host, r.Header.Get("Authorization"), r.Header.Get("X-Own"), r.Header.Get("User-Agent"), body)
	})
	for range 50 {
		r, answer, err := exchangeWhole(t.Context(), b, blockNumber)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, r.status)
		require.Equal(t, `POST gwat Bearer t "" "" `+blockNumber, answer)
	}
	require.EqualValues(t, 1, opened.Load())
}

func TestWholeCallOverAConnectionThatGwatClosed(t *testing.T) {
	b, s, opened := wholeBackend(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "answer") })
	for range 5 {
		_, answer, err := exchangeWhole(t.Context(), b, blockNumber)
		require.NoError(t, err)
		require.Equal(t, "answer", answer)
		s.CloseClientConnections() // gwat drops what is idle
	}
	require.EqualValues(t, 5, opened.Load())
}

// Half an answer, one that ends with the connection, and one that was not read to its end
// leave a connection that no other call may use.
func TestWholeCallLeavesNoBrokenConnection(t *testing.T) {
	var close atomic.Bool
	b, _, opened := wholeBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		if close.Load() {
			w.Header().Set("Connection", "close")
		}
		fmt.Fprint(w, strings.Repeat("x", 100_000))
	})
	r, err := b.do(t.Context(), &exchange{method: http.MethodPost, url: &url.URL{Path: "/"}, body: strings.NewReader("1"), length: 1})
	require.NoError(t, err, "not held whole: by the other way")
	require.NoError(t, r.body.Close())
	before := opened.Load()
	for range 3 {
		r, err := b.do(t.Context(), &exchange{method: http.MethodPost, url: &url.URL{Path: "/"}, body: bytes.NewReader([]byte("1")), length: 1})
		require.NoError(t, err)
		_, err = io.ReadFull(r.body, make([]byte, 10))
		require.NoError(t, err)
		require.NoError(t, r.body.Close())
	}
	require.EqualValues(t, 3, opened.Load()-before)
	close.Store(true)
	for range 3 {
		_, answer, err := exchangeWhole(t.Context(), b, blockNumber)
		require.NoError(t, err)
		require.Len(t, answer, 100_000)
	}
	require.EqualValues(t, 6, opened.Load()-before)
}

// A connection whose answer is none, or is not read to its end, is closed and not kept.
func TestWholeCallClosesAConnectionThatIsNotKept(t *testing.T) {
	for name, answer := range map[string]string{"nonsense": "nonsense\r\n\r\n", "not read": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan error, 1)
			p := &wholePool{at: mustParse("http://gwat"), dial: func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
						_, _ = io.WriteString(far, answer)
					}
					_ = far.SetReadDeadline(time.Now().Add(5 * time.Second))
					_, err := far.Read(make([]byte, 1))
					closed <- err
				}()
				return near, nil
			}}
			r, err := p.do(t.Context(), func(b *bytes.Buffer) { b.WriteString("POST / HTTP/1.1\r\nHost: gwat\r\nContent-Length: 0\r\n\r\n") })
			require.Equal(t, name == "nonsense", err != nil)
			if err == nil {
				require.NoError(t, r.body.Close())
			}
			require.ErrorIs(t, <-closed, io.EOF)
		})
	}
}

// answersRaw is a pool whose every connection is answered with raw bytes and then closed.
func answersRaw(t *testing.T, raw string) *wholePool {
	t.Helper()
	return &wholePool{at: mustParse("http://gwat"), dial: func(_ context.Context, _, address string) (net.Conn, error) {
		require.Equal(t, "gwat:80", address)
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				_, _ = io.WriteString(far, raw)
			}
		}()
		return near, nil
	}}
}

// aCall writes a request with a body of one byte.
func aCall(to *bytes.Buffer) {
	to.WriteString("POST / HTTP/1.1\r\nHost: gwat\r\nContent-Length: 1\r\n\r\n1")
}

func TestWholeCallReadsHeads(t *testing.T) {
	for name, c := range map[string]struct {
		raw    string
		status int
		fails  string
	}{
		"informational answers first": {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok", 202, ""},
		"nothing else":                {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10), 0, "informational"},
		"a head without end":          {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes), 0, "too long"},
		"a cut head":                  {"HTTP/1.1 200 OK\r\nContent-", 0, "malformed"},
		"no answer":                   {"", 0, "unexpected EOF"},
		"no HTTP":                     {"hello\r\n\r\n", 0, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := answersRaw(t, c.raw)
			defer p.close()
			r, err := p.do(t.Context(), aCall)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				require.ErrorIs(t, err, failure.RetryNow)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.status, r.status)
			body, err := io.ReadAll(r.body)
			require.NoError(t, err)
			require.Equal(t, "ok", string(body))
			require.NoError(t, r.body.Close())
		})
	}
}

func TestWholeCallEndsWithItsCaller(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	b, _, _ := wholeBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not look for the caller's end
		close(arrived)
		<-r.Context().Done()
		close(left)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, _, err := exchangeWhole(ctx, b, blockNumber)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, OutcomeGone, outcomeOf(err))
	<-left
}

func TestWholeCallOfAGwatThatIsAway(t *testing.T) {
	at, err := endpoint.Gwat.Parse("http://127.0.0.1:1")
	require.NoError(t, err)
	b := newHTTPBackend(at, nil)
	defer b.close()
	_, _, err = exchangeWhole(t.Context(), b, blockNumber)
	require.ErrorIs(t, err, failure.RetryLater)
	require.Equal(t, OutcomeDown, outcomeOf(err))
}

// Connections that nobody uses are closed before gwat closes them.
func TestIdleWholeConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &wholePool{}
		ended := func() (*wholeConn, chan struct{}) {
			near, far := net.Pipe()
			done := make(chan struct{})
			go func() {
				_, _ = io.Copy(io.Discard, far)
				close(done)
			}()
			return &wholeConn{Conn: near}, done
		}
		first, firstDone := ended()
		second, secondDone := ended()
		p.put(first)
		time.Sleep(idleBackend / 2)
		p.put(second)
		time.Sleep(idleBackend/2 + time.Second)
		<-firstDone
		synctest.Wait()
		select {
		case <-secondDone:
			t.Fatal("a connection was closed before its time")
		default:
		}
		require.Same(t, second, p.newest())
		p.put(second)
		time.Sleep(2 * idleBackend)
		<-secondDone
		require.Nil(t, p.newest())
		third, thirdDone := ended()
		p.put(third)
		p.close()
		<-thirdDone
		late, lateDone := ended()
		p.put(late)
		<-lateDone
	})
}
