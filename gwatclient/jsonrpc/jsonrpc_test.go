package jsonrpc

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(t testing.TB, address string) endpoint.Endpoint {
	t.Helper()
	e, err := endpoint.Gwat.Parse(address)
	require.NoError(t, err)
	return e
}

// peer is the node's end of an IPC connection in memory.
type peer struct {
	conn net.Conn
	in   *json.Decoder
}

func (p *peer) request(t *testing.T) json.RawMessage {
	t.Helper()
	var raw json.RawMessage
	require.NoError(t, p.in.Decode(&raw))
	return raw
}

func (p *peer) say(t *testing.T, text string) {
	t.Helper()
	_, err := io.WriteString(p.conn, text)
	require.NoError(t, err)
}

// overIPC returns a client and the node's end of the connection that it dials first;
// a second dial fails.
func overIPC(t *testing.T, limit int64) (*Client, *peer) {
	t.Helper()
	near, far := net.Pipe()
	first := make(chan net.Conn, 1)
	first <- near
	c := New(Config{Endpoint: at(t, "g.ipc"), Timeout: time.Minute, MaxBody: limit, Dial: func(context.Context) (net.Conn, error) {
		select {
		case conn := <-first:
			return conn, nil
		default:
			return nil, io.ErrClosedPipe
		}
	}})
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, &peer{far, json.NewDecoder(far)}
}

type outcome struct {
	raw json.RawMessage
	err error
}

func start(call func() (json.RawMessage, error)) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		raw, err := call()
		done <- outcome{raw, err}
	}()
	return done
}

func fate(t *testing.T, err error) Fate {
	t.Helper()
	var broken *TransportError
	require.ErrorAs(t, err, &broken)
	return broken.Fate
}

func TestAnswersFindTheirCalls(t *testing.T) {
	c, node := overIPC(t, 1<<10)
	ctx := t.Context()
	one := start(func() (json.RawMessage, error) { return c.Call(ctx, "a") })
	require.JSONEq(t, `{"jsonrpc":"2.0","id":1,"method":"a"}`, string(node.request(t)))
	two := start(func() (json.RawMessage, error) { return c.Call(ctx, "b", 5, "x") })
	require.JSONEq(t, `{"jsonrpc":"2.0","id":2,"method":"b","params":[5,"x"]}`, string(node.request(t)))
	list := start(func() (json.RawMessage, error) {
		out, err := c.Batch(ctx, "c", [][]any{{1}, {}})
		raw, _ := json.Marshal(out)
		return raw, err
	})
	require.JSONEq(t, `[{"jsonrpc":"2.0","id":3,"method":"c","params":[1]},{"jsonrpc":"2.0","id":4,"method":"c"}]`, string(node.request(t)))

	// What is no answer, or to no call, is passed over.
	node.say(t, `{"jsonrpc":"2.0","method":"note","params":[]} {"id":2} {"id":77,"result":1} {"id":"2","result":1} [] [null]`)
	node.say(t, `[{"id":4,"result":"d"},{"id":3,"result":null}]`)
	require.JSONEq(t, `[null,"d"]`, string(must(t, list)))
	node.say(t, `{"id":2,"error":{"code":-32000,"message":"no"}}{"id":1,"result":true}`)
	require.JSONEq(t, `true`, string(must(t, one)))
	var said *Error
	require.ErrorAs(t, (<-two).err, &said)
	require.Equal(t, &Error{Code: -32000, Message: "no"}, said)
}

func must(t *testing.T, done <-chan outcome) json.RawMessage {
	t.Helper()
	o := <-done
	require.NoError(t, o.err)
	return o.raw
}

// TestErrorWithoutIDIsNotASingleCalls: it may be another call's.
func TestErrorWithoutIDIsNotASingleCalls(t *testing.T) {
	c, node := overIPC(t, 1<<10)
	ctx, cancel := context.WithCancel(t.Context())
	one := start(func() (json.RawMessage, error) { return c.Call(ctx, "change") })
	node.request(t)
	const refused = `{"id":null,"error":{"code":-32600,"message":"no"}}`
	node.say(t, refused)
	node.say(t, " ") // is read once the message before has been dealt with
	list := start(func() (json.RawMessage, error) { _, err := c.Batch(t.Context(), "read", [][]any{{}}); return nil, err })
	node.request(t)
	second := start(func() (json.RawMessage, error) { _, err := c.Batch(t.Context(), "read", [][]any{{}}); return nil, err })
	node.request(t)
	node.say(t, refused) // of one of two batches: nobody knows which
	node.say(t, " ")
	node.say(t, `[{"id":3,"result":1}]`)
	must(t, second)
	node.say(t, refused)
	err := (<-list).err
	var said *Error
	require.ErrorAs(t, err, &said)
	require.True(t, said.Batch)
	cancel()
	err = (<-one).err
	require.Equal(t, Lost, fate(t, err))
	require.ErrorIs(t, err, context.Canceled)
	// The connection lives on, and the late answer is dropped.
	node.say(t, `{"id":1,"result":true}`)
	again := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "d") })
	node.request(t)
	node.say(t, `{"id":4,"result":4}`)
	require.JSONEq(t, `4`, string(must(t, again)))
}

// TestIPCLimit: a message may have MaxBody bytes and no more, wherever the reads
// are cut, and many small ones are no large one.
func TestIPCLimit(t *testing.T) {
	frame := func(id, size int) string {
		const rest = `{"id":%d,"result":"%s"}`
		return fmt.Sprintf(rest, id, strings.Repeat("x", size-len(fmt.Sprintf(rest, id, ""))))
	}
	for name, tt := range map[string]struct {
		say []string
		ok  bool
	}{
		"exact":               {[]string{frame(1, 100)}, true},
		"one over":            {[]string{frame(1, 101)}, false},
		"behind small ones":   {[]string{strings.Repeat(`{"id":9}`, 50) + frame(1, 100)}, true},
		"over, behind others": {[]string{`{"id":9}` + frame(1, 101)}, false},
		"in parts":            {[]string{frame(9, 90) + frame(1, 100)[:50], frame(1, 100)[50:]}, true},
		"over, in parts":      {[]string{frame(9, 90) + frame(1, 101)[:50], frame(1, 101)[50:]}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, node := overIPC(t, 100)
			done := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "a") })
			node.request(t)
			for _, part := range tt.say {
				_, err := io.WriteString(node.conn, part)
				require.True(t, err == nil || !tt.ok)
			}
			o := <-done
			if tt.ok {
				require.NoError(t, o.err)
				return
			}
			require.ErrorIs(t, o.err, ErrTooLarge)
			require.Equal(t, Unreadable, fate(t, o.err))
			require.ErrorContains(t, o.err, "100 bytes")
		})
	}
}

// TestFates of every call that shares a connection, by what ended it.
func TestFates(t *testing.T) {
	for name, tt := range map[string]struct {
		say  string
		want Fate
	}{
		"closed": {"", Lost}, "half": {`{"id":1,"res`, Lost}, "garbage": {`}`, Unreadable}, "number": {`5 `, Unreadable}, "text": {`"x" `, Unreadable},
		"numbers": {`[5]`, Unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			c, node := overIPC(t, 1<<10)
			one := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "a") })
			node.request(t)
			two := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "b") })
			node.request(t)
			node.say(t, tt.say)
			if tt.want == Lost {
				node.conn.Close()
			}
			require.Equal(t, tt.want, fate(t, (<-one).err))
			require.Equal(t, tt.want, fate(t, (<-two).err))
			_, err := c.Call(t.Context(), "c")
			require.Equal(t, NotSent, fate(t, err), "the second dial fails")
			require.ErrorIs(t, err, io.ErrClosedPipe)
		})
	}
}

// TestLastWords: an answer that is the last thing before the end counts.
func TestLastWords(t *testing.T) {
	for range 200 {
		c, node := overIPC(t, 1<<10)
		done := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "a") })
		node.request(t)
		node.say(t, `{"id":1,"result":1}`)
		node.conn.Close()
		require.JSONEq(t, `1`, string(must(t, done)))
	}
}

// TestWaitingToWriteIsNotSent: a call that gives up behind one that is being
// written has not been sent, and the one that is cut in its write is lost.
func TestWaitingToWriteIsNotSent(t *testing.T) {
	c, node := overIPC(t, 1<<10)
	writing, cut := context.WithCancel(t.Context())
	one := start(func() (json.RawMessage, error) { return c.Call(writing, "a") })
	_, err := node.conn.Read(make([]byte, 1)) // the rest is never read
	require.NoError(t, err)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = c.Call(short, "b")
	require.Equal(t, NotSent, fate(t, err))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	behind := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "b") })
	cut()
	err = (<-one).err
	require.Equal(t, Lost, fate(t, err))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, NotSent, fate(t, (<-behind).err))
}

// TestCancelledAsItIsSent: whatever the moment, the caller's own cancel is told.
func TestCancelledAsItIsSent(t *testing.T) {
	for range 300 {
		c, node := overIPC(t, 1<<10)
		ctx, cancel := context.WithCancel(t.Context())
		done := start(func() (json.RawMessage, error) { return c.Call(ctx, "a") })
		var raw json.RawMessage
		if node.in.Decode(&raw) == nil {
			cancel()
		}
		err := (<-done).err
		require.Equal(t, Lost, fate(t, err))
		require.ErrorIs(t, err, context.Canceled)
		cancel()
	}
}

func TestParametersThatDoNotEncode(t *testing.T) {
	c, _ := overIPC(t, 1<<10)
	_, err := c.Call(t.Context(), "a", make(chan int))
	require.Equal(t, NotSent, fate(t, err))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Call(ended, "a")
	require.Equal(t, NotSent, fate(t, err))
}

func TestHTTPAnswerOfAnotherCall(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"id":1,"result":1}`: true, `{"id":2,"result":1}`: false, `{"id":0,"result":1}`: false, `{"result":1}`: false, `{"id":null,"result":1}`: false,
		`{"id":1,"result":1} x`: false, ` {"id":1,"result":1}` + "\n": true,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		c := New(Config{Endpoint: at(t, server.URL), Timeout: time.Minute, MaxBody: 100})
		_, err := c.Call(t.Context(), "a")
		if ok {
			require.NoError(t, err, body)
		} else {
			require.Equal(t, Unreadable, fate(t, err), body)
		}
		c.Close()
		server.Close()
	}
}

// TestBatchRefusedByStatus: the error in the body of a status counts if the status
// is the node's own word on the request.
func TestBatchRefusedByStatus(t *testing.T) {
	const refusal = `{"id":null,"error":{"code":-32600,"message":"no batches"}}`
	for name, tt := range map[string]struct {
		code   int
		body   string
		counts bool
	}{
		"400": {400, refusal, true}, "413": {413, refusal, true}, "422": {422, refusal, true},
		"401": {401, refusal, false}, "403": {403, refusal, false}, "429": {429, refusal, false},
		"302": {302, refusal, false}, "500": {500, refusal, false}, "502": {502, refusal, false},
		"results": {400, `[{"id":1,"result":1},{"id":2,"result":1}]`, false}, "no JSON": {400, "Bad Request", false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.code)
			_, _ = io.WriteString(w, tt.body)
		}))
		c := New(Config{Endpoint: at(t, server.URL), Timeout: time.Minute, MaxBody: 100})
		_, err := c.Batch(t.Context(), "a", [][]any{{}, {}})
		var said *Error
		var status *StatusError
		require.Equal(t, tt.counts, errors.As(err, &said), name)
		require.Equal(t, !tt.counts, errors.As(err, &status), name)
		_, err = c.Call(t.Context(), "a")
		require.ErrorAs(t, err, &status, "a single call's status is its outcome")
		c.Close()
		server.Close()
	}
}

// TestWebSocket: the limit of an answer, which is not that of the handshake, and a node that is not there or no WebSocket.
func TestWebSocket(t *testing.T) {
	body := `{"id":1,"result":"` + strings.Repeat("x", maxHeaderBytes) + `"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if _, _, err := conn.ReadMessage(); err == nil {
			_ = conn.WriteMessage(websocket.TextMessage, []byte(body))
			_, _, _ = conn.ReadMessage()
		}
	}))
	url := strings.Replace(server.URL, "http", "ws", 1)
	for limit, ok := range map[int]bool{len(body): true, len(body) - 1: false} {
		c := New(Config{Endpoint: at(t, url), Timeout: time.Minute, MaxBody: int64(limit)})
		_, err := c.Call(t.Context(), "a")
		require.Equal(t, ok, err == nil, "%v", err)
		if !ok {
			require.ErrorIs(t, err, ErrTooLarge)
			require.Equal(t, Unreadable, fate(t, err))
		}
		c.Close()
	}
	server.Close()
	c := New(Config{Endpoint: at(t, url), Timeout: time.Minute, MaxBody: 100})
	defer c.Close()
	_, err := c.Call(t.Context(), "a")
	require.Equal(t, NotSent, fate(t, err))
	var refused *net.OpError
	require.ErrorAs(t, err, &refused)
}

// TestBatchAnsweredByOneError, as a list of it or alone.
func TestBatchAnsweredByOneError(t *testing.T) {
	for answer, whole := range map[string]bool{
		`[{"id":1,"error":{"code":-32600,"message":"too many"}}]`:                        true,
		`{"id":2,"error":{"code":-32600,"message":"too many"}}`:                          true,
		`[{"id":2,"error":{"code":-32600,"message":"too many"}},{"id":1,"result":true}]`: false,
	} {
		c, node := overIPC(t, 1<<10)
		done := start(func() (json.RawMessage, error) { _, err := c.Batch(t.Context(), "a", [][]any{{}, {}}); return nil, err })
		node.request(t)
		node.say(t, answer)
		var said *Error
		require.ErrorAs(t, (<-done).err, &said)
		require.Equal(t, whole, said.Batch)
		require.Equal(t, -32600, said.Code)
		require.Equal(t, "too many", said.Error())
	}
	// Of one call it is that call's own.
	c, node := overIPC(t, 1<<10)
	done := start(func() (json.RawMessage, error) { _, err := c.Batch(t.Context(), "a", [][]any{{}}); return nil, err })
	node.request(t)
	node.say(t, `[{"id":1,"error":{"code":-32000,"message":"no"}}]`)
	var said *Error
	require.ErrorAs(t, (<-done).err, &said)
	require.False(t, said.Batch)
}

func TestHTTPLimit(t *testing.T) {
	body := `{"id":1,"result":"` + strings.Repeat("x", 80) + `"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	defer server.Close()
	for limit, ok := range map[int]bool{len(body): true, len(body) - 1: false} {
		c := New(Config{Endpoint: at(t, server.URL), Timeout: time.Minute, MaxBody: int64(limit)})
		_, err := c.Call(t.Context(), "a")
		require.Equal(t, ok, err == nil)
		if !ok {
			require.ErrorIs(t, err, ErrTooLarge)
		}
		c.Close()
	}
}

// carrier is an HTTP transport by function.
type carrier func(*http.Request) (*http.Response, error)

func (f carrier) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRepeats: which calls are made again over HTTP, and how often.
func TestRepeats(t *testing.T) {
	answers := func(body string) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body))}, nil
		}
	}
	fails := func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
	for name, tt := range map[string]struct {
		change  bool
		conn    bool // a connection was there
		wrote   bool // the request was written to it
		cancels bool
		end     func() (*http.Response, error)
		sends   int
		want    Fate
	}{
		"read, lost":                   {conn: true, wrote: true, end: fails, sends: 2, want: Lost},
		"read, closed before sent":     {conn: true, end: fails, sends: 2, want: NotSent},
		"read, no connection":          {end: fails, sends: 1, want: NotSent},
		"read, unreadable":             {conn: true, wrote: true, end: answers("no"), sends: 1, want: Unreadable},
		"read, cancelled":              {conn: true, wrote: true, cancels: true, end: fails, sends: 1, want: Lost},
		"change, lost":                 {change: true, conn: true, wrote: true, end: fails, sends: 1, want: Lost},
		"change, closed before sent":   {change: true, conn: true, end: fails, sends: 1, want: NotSent},
		"read, transport without conn": {wrote: true, end: fails, sends: 2, want: Lost},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			sends := 0
			c := New(Config{Endpoint: at(t, "http://gwat"), MaxBody: 100, Repeatable: !tt.change, Transport: carrier(func(r *http.Request) (*http.Response, error) {
				sends++
				trace := httptrace.ContextClientTrace(r.Context())
				if tt.conn {
					trace.GotConn(httptrace.GotConnInfo{})
				}
				if tt.wrote {
					trace.WroteHeaders()
				}
				if tt.cancels {
					cancel()
				}
				return tt.end()
			})})
			defer c.Close()
			_, err := c.Call(ctx, "a")
			require.Equal(t, tt.want, fate(t, err))
			require.Equal(t, tt.sends, sends)
		})
	}
}

// A proxy may compress an answer to who said nothing of compression. The bound on an answer
// is one on what it unpacks to.
func TestHTTPAnswerThatIsCompressed(t *testing.T) {
	var answer atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(answer.Load().([]byte))
	}))
	defer server.Close()
	c := New(Config{Endpoint: at(t, server.URL), Timeout: time.Minute, MaxBody: 1000})
	defer c.Close()
	packed := func(text string) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, err := io.WriteString(w, text)
		require.NoError(t, errors.Join(err, w.Close()))
		return out.Bytes()
	}
	answer.Store(packed(`{"jsonrpc":"2.0","id":1,"result":"yes"}`))
	raw, err := c.Call(t.Context(), "a")
	require.NoError(t, err)
	require.JSONEq(t, `"yes"`, string(raw))
	answer.Store(packed(strings.Repeat("[", 1<<20)))
	_, err = c.Call(t.Context(), "a")
	require.ErrorIs(t, err, ErrTooLarge)
	whole := packed(`{"jsonrpc":"2.0","id":1,"result":"yes"}`)
	for _, bad := range [][]byte{[]byte(`{"jsonrpc":"2.0","id":1,"result":"yes"}`), whole[:len(whole)-4]} {
		answer.Store(bad)
		_, err = c.Call(t.Context(), "a")
		var transport *TransportError
		require.ErrorAs(t, err, &transport)
		require.Equal(t, Unreadable, transport.Fate, "gwat has answered, and may have carried the call out")
	}
}

// TestCredentials: user and password of the URL become a header, and are in no URL.
func TestCredentials(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		mu.Lock()
		seen = append(seen, user+":"+password+" "+r.URL.String()+" "+r.Header.Get("Content-Type")+r.Header.Get("Upgrade")+r.Header.Get("Accept-Encoding"))
		mu.Unlock()
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, strings.Repeat("y", 2000))
	}))
	defer server.Close()
	for scheme, size := range map[string]int{"http": 2000, "ws": maxStatus} {
		c := New(Config{Endpoint: at(t, strings.Replace(server.URL, "http://", scheme+"://me:secret@", 1)+"/x?k=v"), Timeout: time.Minute, MaxBody: 2 << 10})
		_, err := c.Call(t.Context(), "a")
		var status *StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, "7", status.Header.Get("Retry-After"))
		require.Equal(t, 429, status.Code)
		require.Equal(t, 7*time.Second, status.RetryAfter)
		require.Len(t, status.Body, size)
		require.Equal(t, "429 Too Many Requests", err.Error())
		c.Close()
	}
	require.ElementsMatch(t, []string{"me:secret /x?k=v application/json", "me:secret /x?k=v websocket"}, seen)
}

// TestAuthorizeFails: without its token no request is sent, over any link.
func TestAuthorizeFails(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }))
	defer server.Close()
	noToken := errors.New("no token")
	for _, url := range []string{server.URL, strings.Replace(server.URL, "http", "ws", 1)} {
		c := New(Config{Endpoint: at(t, url), Timeout: time.Minute, MaxBody: 100, Authorize: func(http.Header) error { return noToken }})
		_, err := c.Call(t.Context(), "a")
		require.Equal(t, NotSent, fate(t, err))
		require.ErrorIs(t, err, noToken)
		c.Close()
	}
}

// TestIPCSocket: without a Dial of its own a client connects to the socket at the
// endpoint's path.
func TestIPCSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.ipc")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	c := New(Config{Endpoint: at(t, path), Timeout: time.Minute, MaxBody: 100})
	defer c.Close()
	done := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "a") })
	conn, err := l.Accept()
	require.NoError(t, err)
	defer conn.Close()
	node := &peer{conn, json.NewDecoder(conn)}
	node.request(t)
	node.say(t, `{"id":1,"result":1}`)
	require.JSONEq(t, `1`, string(must(t, done)))
}

// TestCancelledDial: the caller's own cancel is told, whatever the dial says.
func TestCancelledDial(t *testing.T) {
	c := New(Config{Endpoint: at(t, "g.ipc"), Timeout: time.Minute, MaxBody: 100, Dial: func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, io.ErrUnexpectedEOF
	}})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := c.Call(ctx, "a")
	require.Equal(t, NotSent, fate(t, err))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestOneDialForAll: callers that come while one dials wait for its connection.
func TestOneDialForAll(t *testing.T) {
	dials, dialling, goOn := 0, make(chan struct{}), make(chan struct{})
	near, far := net.Pipe()
	defer far.Close()
	c := New(Config{Endpoint: at(t, "g.ipc"), Timeout: time.Minute, MaxBody: 1 << 10, Dial: func(context.Context) (net.Conn, error) {
		dials++ // one at a time, or the race detector speaks
		close(dialling)
		<-goOn
		return near, nil
	}})
	defer c.Close()
	one := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "a") })
	<-dialling
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Call(short, "a")
	require.Equal(t, NotSent, fate(t, err))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	two := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "a") })
	close(goOn)
	for range 2 {
		var req struct{ ID uint64 }
		require.NoError(t, json.NewDecoder(far).Decode(&req))
		_, err := fmt.Fprintf(far, `{"id":%d,"result":1}`, req.ID)
		require.NoError(t, err)
	}
	must(t, one)
	must(t, two)
	require.Equal(t, 1, dials)
}

func TestCloseEndsEverything(t *testing.T) {
	c, node := overIPC(t, 1<<10)
	one := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "a") })
	node.request(t)
	c.Close()
	require.Equal(t, Lost, fate(t, (<-one).err))
	_, err := c.Call(t.Context(), "a")
	require.Equal(t, NotSent, fate(t, err))
	require.ErrorIs(t, err, errClosed)
	c.Close()
}

// TestCloseEndsHTTP: a closed client sends nothing, and its idle connection is closed.
func TestCloseEndsHTTP(t *testing.T) {
	closed := make(chan struct{}, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":1,"result":1}`) }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	c := New(Config{Endpoint: at(t, server.URL), Timeout: time.Minute, MaxBody: 100, Repeatable: true})
	_, err := c.Call(t.Context(), "a")
	require.NoError(t, err)
	require.Empty(t, closed, "it is kept for the next call")
	c.Close()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("the idle connection stays")
	}
	_, err = c.Call(t.Context(), "a")
	require.Equal(t, NotSent, fate(t, err))
	require.ErrorIs(t, err, errClosed)
}
