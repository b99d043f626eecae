package jsonrpc

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAnswersOfAnotherShape: over HTTP nothing but the ids says that a body answers
// the request; one that answers it in part, or in another form, is unreadable.
func TestAnswersOfAnotherShape(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		calls int // 0: a single call
		want  string
	}{
		"a list for a single call":     {`[{"id":1,"result":1}]`, 0, "a list answers a single call"},
		"an empty list":                {`[]`, 0, "a list answers a single call"},
		"a single result for a batch":  {`{"id":1,"result":1}`, 2, "a single result answers a batch"},
		"an empty list for a batch":    {`[]`, 2, "lacks call 1 of 2"},
		"half of a batch":              {`[{"id":1,"result":1}]`, 2, "lacks call 2 of 2"},
		"the other half":               {`[{"id":2,"result":1}]`, 2, "lacks call 1 of 2"},
		"a call of another batch":      {`[{"id":1,"result":1},{"id":3,"result":1}]`, 2, "lacks call 2 of 2"},
		"a result without a result":    {`[{"id":1,"result":1},{"id":2}]`, 2, errNoResult.Error()},
		"an error without a code":      {`[{"id":1,"result":1},{"id":2,"error":{"message":"no"}}]`, 2, "an error without a code"},
		"an error that is no object":   {`[{"id":1,"result":1},{"id":2,"error":"no"}]`, 2, "error object"},
		"an empty answer":              {``, 2, "empty answer"},
		"an error for one call, alone": {`{"id":1,"error":7}`, 0, "error object"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) }))
			defer server.Close()
			client := New(Config{Endpoint: at(t, server.URL), Timeout: time.Minute, MaxBody: 1 << 10})
			defer client.Close()
			var err error
			if c.calls == 0 {
				_, err = client.Call(t.Context(), "a")
			} else {
				_, err = client.Batch(t.Context(), "a", make([][]any, c.calls))
			}
			require.Equal(t, Unreadable, fate(t, err))
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestErrorOfAnUnnamedBatch: an error that names no call is the only batch's, with
// its id null or left out; one with a strange id is nobody's.
func TestErrorOfAnUnnamedBatch(t *testing.T) {
	for _, id := range []string{``, `"id":null,`} {
		c, node := overIPC(t, 1<<10)
		done := start(func() (json.RawMessage, error) { _, err := c.Batch(t.Context(), "a", [][]any{{}, {}}); return nil, err })
		node.request(t)
		for _, strange := range []string{`"id":9,`, `"id":"x",`} {
			node.say(t, `{`+strange+`"error":{"code":-32000,"message":"another's"}}`)
		}
		node.say(t, `{`+id+`"error":{"code":-32600,"message":"ours"}}`)
		var said *Error
		require.ErrorAs(t, (<-done).err, &said)
		require.Equal(t, "ours", said.Message)
	}
}

// TestErrorWithoutIDAfterABatchWasGivenUp: it is the other batch's, which still waits.
func TestErrorWithoutIDAfterABatchWasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, node := overIPC(t, 1<<10)
		batch := func(ctx context.Context) <-chan outcome {
			return start(func() (json.RawMessage, error) { _, err := c.Batch(ctx, "a", [][]any{{}, {}}); return nil, err })
		}
		ctx, cancel := context.WithCancel(t.Context())
		givenUp := batch(ctx)
		node.request(t)
		synctest.Wait() // its write has ended: the connection stays
		cancel()
		require.Equal(t, Lost, fate(t, (<-givenUp).err))
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		waits := batch(ctx)
		node.request(t)
		node.say(t, `{"error":{"code":-32600,"message":"no batches"}}`)
		var said *Error
		require.ErrorAs(t, (<-waits).err, &said)
	})
}

// TestABatchOfManyCalls: the ids of an answer are decimal numbers, in any order.
func TestABatchOfManyCalls(t *testing.T) {
	const calls = 25
	c, node := overIPC(t, 1<<10)
	done := start(func() (json.RawMessage, error) {
		out, err := c.Batch(t.Context(), "a", make([][]any, calls))
		raw, _ := json.Marshal(out)
		return raw, err
	})
	node.request(t)
	var answer, want []string
	for i := range calls {
		answer = append(answer, fmt.Sprintf(`{"id":%d,"result":%d}`, calls-i, calls-i))
		want = append(want, fmt.Sprint(i+1))
	}
	node.say(t, "["+strings.Join(answer, ",")+"]")
	require.JSONEq(t, "["+strings.Join(want, ",")+"]", string(must(t, done)))
}

// TestAWriteThatEnds: what ends a write takes the connection with it, and says what
// became of the call.
func TestAWriteThatEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end   func(node *peer, cancel func())
		after time.Duration
		want  Fate
		err   error
	}{
		"the node reads no further": {func(*peer, func()) {}, writeTimeout, Lost, os.ErrDeadlineExceeded},
		"the caller gives up":       {func(_ *peer, cancel func()) { cancel() }, 0, Lost, context.Canceled},
		"the node says garbage":     {func(node *peer, _ func()) { _, _ = io.WriteString(node.conn, "}") }, 0, Unreadable, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, node := overIPC(t, 1<<10)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				begun := time.Now()
				done := start(func() (json.RawMessage, error) { return c.Call(ctx, "a") })
				_, err := node.conn.Read(make([]byte, 1)) // the rest is never read
				require.NoError(t, err)
				tt.end(node, cancel)
				err = (<-done).err
				require.Equal(t, tt.want, fate(t, err))
				if tt.err != nil {
					require.ErrorIs(t, err, tt.err)
				}
				require.Equal(t, tt.after, time.Since(begun))
				_, err = node.conn.Read(make([]byte, 1))
				require.ErrorIs(t, err, io.EOF)
				_, err = c.Call(t.Context(), "b")
				require.Equal(t, NotSent, fate(t, err), "the second dial fails")
			})
		})
	}
}

// TestAnEndedSessionSendsNothing, though its turn to write is free.
func TestAnEndedSessionSendsNothing(t *testing.T) {
	near, far := net.Pipe()
	s := newSession(near, func() ([]byte, error) { return nil, io.EOF }, func([]byte) error { t.Error("written"); return io.EOF })
	<-s.over
	far.Close()
	for range 50 {
		_, err := s.exchange(t.Context(), request{})
		require.Equal(t, NotSent, fate(t, err))
	}
}

// TestAnAnswerThatComesTwice: the first one counts, and the reader goes on.
func TestAnAnswerThatComesTwice(t *testing.T) {
	s := &session{waiting: map[*waiter]struct{}{}}
	w := &waiter{request{first: 1, count: 1}, make(chan reply, 1)}
	s.waiting[w] = struct{}{}
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		for _, result := range []string{"1", "2"} {
			s.deliver(reply{list: []response{{ID: json.RawMessage("1"), Result: json.RawMessage(result)}}})
		}
	}()
	select {
	case <-delivered:
	case <-time.After(10 * time.Second):
		t.Fatal("the reader hangs")
	}
	require.Equal(t, "1", string((<-w.reply).list[0].Result))
}

// TestTheConnectionEndsUnderWhoWaitsToWrite: the call that was being written may
// have reached the node; one that waits behind it has not been sent.
func TestTheConnectionEndsUnderWhoWaitsToWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, node := overIPC(t, 1<<10)
		writing := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "a") })
		_, err := node.conn.Read(make([]byte, 1)) // the rest is never read
		require.NoError(t, err)
		behind := start(func() (json.RawMessage, error) { return c.Call(t.Context(), "b") })
		synctest.Wait()
		require.NoError(t, node.conn.Close())
		require.Equal(t, Lost, fate(t, (<-writing).err))
		require.Equal(t, NotSent, fate(t, (<-behind).err))
	})
}

// TestCancelledHandshake: a node that accepts and says nothing holds nobody up, and
// the caller's own cancel is told.
func TestCancelledHandshake(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := silent.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 1)) // the handshake has begun
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	}()
	_, err = DialWebSocket(ctx, "ws://"+silent.Addr().String(), nil, time.Minute)
	require.ErrorIs(t, err, context.Canceled)
}
