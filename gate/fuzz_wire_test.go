package gate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// oneConn is a listener with one connection.
type oneConn struct {
	conn chan net.Conn
	addr net.Addr
	once sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conn; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { l.once.Do(func() { close(l.conn) }); return nil }
func (l *oneConn) Addr() net.Addr { return l.addr }

// serveBytes has h serve one connection that carries a handshake, if there is one, and,
// after its answer, parts, each in one piece. Then it ends. It fails the test if h panics.
func serveBytes(t *testing.T, h http.Handler, handshake []byte, parts [][]byte) {
	t.Helper()
	near, far := net.Pipe()
	l := &oneConn{conn: make(chan net.Conn, 1), addr: near.LocalAddr()}
	l.conn <- far
	var said bytes.Buffer
	var ended sync.WaitGroup
	ended.Add(1)
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ended.Add(1)
			defer ended.Done()
			h.ServeHTTP(w, r)
		}),
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: stdlog.New(&said, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				ended.Done()
			}
		},
	}
	var work sync.WaitGroup
	work.Go(func() { _ = s.Serve(l) })
	if handshake != nil {
		_, err := near.Write(handshake)
		require.NoError(t, err)
		for answer := []byte{}; !bytes.HasSuffix(answer, []byte("\r\n\r\n")); {
			var b [1]byte
			_, err := io.ReadFull(near, b[:])
			require.NoError(t, err)
			answer = append(answer, b[0])
		}
	}
	work.Go(func() { _, _ = io.Copy(io.Discard, near) })
	for _, p := range parts {
		if _, err := near.Write(p); err != nil {
			break
		}
	}
	near.Close()
	ended.Wait()
	s.Close()
	work.Wait()
	require.NotContains(t, said.String(), "panic serving")
}

// subsequence reports whether all of got are in all, in this order.
func subsequence(got, all []string) bool {
	for _, a := range all {
		if len(got) > 0 && got[0] == a {
			got = got[1:]
		}
	}
	return len(got) == 0
}

// Whatever a connection carries, gwat gets the bodies that are in it, each whole, once and
// in order: nothing that one of them contains becomes a request of its own.
func FuzzHTTPFraming(f *testing.F) {
	const call = `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`
	for _, seed := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 47\r\n\r\n" + call + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 47\r\n\r\n" + call,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2f\r\n" + call + "\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n5\r\n0\r\n\r\nPOST",
		"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n[]", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
	} {
		f.Add([]byte(seed), byte(20))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut byte) {
		var sent []string
		for r := bufio.NewReader(bytes.NewReader(data)); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				break
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				break
			}
			sent = append(sent, string(body))
			if req.Method == http.MethodPost {
				skipLineEnds(r)
			}
		}
		b := &fakeBackend{do_: answering("1")}
		serveBytes(t, fakeGate(t, handsOff, b).Handler(), nil, slices.Collect(slices.Chunk(data, 1+int(cut))))
		require.True(t, subsequence(b.got, sent), "sent %q, forwarded %q", sent, b.got)
	})
}

// skipLineEnds drops what a server of net/http drops after a POST, of the next four bytes.
func skipLineEnds(r *bufio.Reader) {
	next, _ := r.Peek(4)
	_, _ = r.Discard(len(next) - len(bytes.TrimLeft(next, "\r\n")))
}

// What gwat answers over HTTP is read as the library reads it, however it is cut.
func FuzzHTTPAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 101 Switching Protocols\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "\r\n",
	} {
		f.Add([]byte(seed), byte(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut byte) {
		var want []byte
		status := 0
		ref := bufio.NewReader(bytes.NewReader(data))
		for range maxInformational {
			resp, err := http.ReadResponse(ref, &http.Request{Method: http.MethodPost})
			if err != nil {
				break
			}
			if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
				if body, err := io.ReadAll(resp.Body); err == nil {
					want, status = body, resp.StatusCode
				}
				break
			}
		}
		var peer sync.WaitGroup
		p := &wholePool{at: mustParse("http://gwat"), dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			peer.Go(func() {
				defer far.Close()
				if _, err := http.ReadRequest(bufio.NewReader(far)); err != nil {
					return
				}
				for part := range slices.Chunk(data, 1+int(cut)) {
					if _, err := far.Write(part); err != nil {
						return
					}
				}
			})
			return near, nil
		}}
		defer peer.Wait()
		defer p.close()
		r, err := p.do(t.Context(), aCall)
		if err == nil {
			defer r.body.Close()
			var body []byte
			if body, err = io.ReadAll(r.body); err == nil {
				require.Equal(t, status, r.status)
				require.Equal(t, string(want), string(body))
			}
		}
		require.Equal(t, status != 0, err == nil, "%q: %v", data, err)
	})
}

// masked is a frame of a WebSocket as a client sends it, with the mask 0.
func masked(opcode byte, payload string) string {
	return string([]byte{opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
}

// Whatever frames a WebSocket carries, gwat gets the messages that are in them, each whole
// and once, and none of the calls that the gate answers itself.
func FuzzWebSocketFraming(f *testing.F) {
	for _, seed := range []string{
		masked(0x81, `{"id":1,"method":"eth_a"}`) + masked(0x81, `[{"id":2},{"id":3}]`),
		masked(0x01, `{"id":1,"met`) + masked(0x89, "ping") + masked(0x80, `hod":"dag_headSyncReady"}`), masked(0x88, "\x03\xe8bye"),
		masked(0x82, "nonsense"), masked(0x81, ""), masked(0x81, `{"id":4,"method":"dag_finalize","params":[["0x12"]]}`), "\xc1\x80\x00",
	} {
		f.Add([]byte(seed), byte(9), true)
		f.Add([]byte(seed), byte(200), false)
	}
	handshake := []byte("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	f.Fuzz(func(t *testing.T, data []byte, cut byte, owns bool) {
		parts := slices.Collect(slices.Chunk(data, 1+int(cut)))
		left := map[string]int{}
		serveBytes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer ws.Close()
			// The client may be gone before a pong is written: what it sent is read all the same.
			ws.SetPingHandler(func(string) error { return nil })
			for {
				_, m, err := ws.NextReader()
				if err != nil {
					return
				}
				raw, err := io.ReadAll(m)
				var s scanner
				n := s.scan(raw)
				if s.done || err == nil {
					left[string(raw[:n])]++ // what follows the value, or is cut of it, is none of gwat's
				}
				if err != nil {
					return
				}
			}
		}), handshake, parts)
		b := &fakeBackend{do_: answering("1")}
		v := handsOff
		if owns {
			v = headSync
		}
		g := fakeGate(t, v, b)
		serveBytes(t, httpHandler{g: g, ws: true}, handshake, parts)
		for _, raw := range b.got {
			if owns {
				requireNotOwned(t, raw)
				continue
			}
			left[raw]--
			require.GreaterOrEqual(t, left[raw], 0, "%q of %q", raw, data)
		}
	})
}

// requireNotOwned fails if a message has a call that the gate answers without gwat.
func requireNotOwned(t *testing.T, raw string) {
	t.Helper()
	calls := []json.RawMessage{json.RawMessage(raw)}
	_ = json.Unmarshal([]byte(raw), &calls)
	for _, c := range calls {
		var m struct{ Method string }
		if json.Unmarshal(c, &m) == nil {
			require.NotContains(t, []string{methodReady, methodHeadSync}, m.Method, "%q", raw)
		}
	}
}

// answersLikeGwat answers each call of a message that has an id; "" if none has one.
func answersLikeGwat(_ context.Context, raw string) (int, string, error) {
	if strings.TrimLeft(raw, " \t\r\n")[0] != '[' {
		return 200, answerTo([]byte(raw)), nil
	}
	var calls []json.RawMessage
	_ = json.Unmarshal([]byte(raw), &calls)
	var out []string
	for _, c := range calls {
		if a := answerTo(c); a != "" {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return 200, "", nil
	}
	return 200, "[" + strings.Join(out, ",") + "]", nil
}

func answerTo(call []byte) string {
	m := struct{ ID json.RawMessage }{}
	switch {
	case json.Unmarshal(call, &m) != nil, string(call) == "null":
		return `{"id":null,"error":{"code":-32600}}`
	case len(m.ID) == 0:
		return ""
	}
	return `{"id":` + string(m.ID) + `,"result":{"error":null}}`
}

// A batch that is split is answered as if it had not been: one answer for each call that
// has an id, in the order of the batch.
func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		`[{"id":1,"method":"dag_headSyncReady"},{"id":"x","method":"eth_a"},5,{"method":"dag_headSync"}]`,
		`[` + finalize(1) + `,{"id":null,"method":"eth_b"},[1],{},null,{"ID":{"a":[2]},"method":"eth_c"}]`, `[]`, `[{"id":1`, ` [ "a" , {"id":1,"method":"dag_finalize"} ] x`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var calls []json.RawMessage
		if json.Unmarshal(data, &calls) != nil || calls == nil || bytes.ContainsFunc(data, func(r rune) bool { return r > 127 }) {
			return
		}
		b := &fakeBackend{do_: answersLikeGwat}
		status, answer := post(t.Context(), fakeGate(t, headSync, b), string(data))
		require.Equal(t, 200, status)
		_, whole, _ := answersLikeGwat(t.Context(), string(data))
		require.Equal(t, idsOf(t, whole), idsOf(t, answer), "%q: %q", data, answer)
		for _, raw := range b.got {
			requireNotOwned(t, raw)
		}
	})
}

// idsOf returns the ids of a batch's answers.
func idsOf(t *testing.T, answer string) (ids []string) {
	t.Helper()
	if answer == "" {
		return nil
	}
	var answers []struct{ ID json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(answer), &answers), answer)
	for _, a := range answers {
		ids = append(ids, string(a.ID))
	}
	return ids
}
