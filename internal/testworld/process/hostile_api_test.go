//go:build integration

package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/proof"
)

// apiMemory is how much more memory syncd may take under hostile clients: 128
// connections and 64 WebSockets, each with its buffers and one answer.
const apiMemory = 128 << 20

// connectionsWanted is how many a hostile client opens, if it may.
const connectionsWanted = 10_000

// ask dials the API and sends text; what comes of it is the caller's matter.
func (h *hostileTrio) ask(t *testing.T, text string) (net.Conn, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.api, "http://"))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, text)
	return conn, err
}

// answered reads the status of the answer on a connection.
func answered(t *testing.T, conn net.Conn) (int, string) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(proof.Within)))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

// post is the head of a request with a body of so many bytes.
func post(length int) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", length)
}

func request(body string) string { return post(len(body)) + body }

// closed waits until the other side has closed a connection.
func closed(t *testing.T, conn net.Conn, limit time.Duration) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(limit)))
	_, err := io.Copy(io.Discard, conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is still open after %s", limit)
}

// Clients of the API that ask too much, too long or nothing cost bounded memory;
// the pair works on, and the API answers the next one.
func TestHostileAPIClients(t *testing.T) {
	t.Parallel()
	h := newHostileTrio(t)
	for name, attack := range map[string]func(t *testing.T){
		"10,000 connections": func(t *testing.T) {
			var limit syscall.Rlimit
			require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
			n := min(connectionsWanted, int(limit.Cur)-1000)
			require.Positive(t, n, "no file descriptors left")
			opened := 0
			for range n {
				if _, err := h.ask(t, ""); err == nil {
					opened++
				}
			}
			t.Logf("%d of %d wanted connections were opened at once", opened, connectionsWanted)
			require.Greater(t, opened, n/2)
		},
		"headers of a byte a second": func(t *testing.T) {
			begin := time.Now()
			conn, err := h.ask(t, "GET /livez HTTP/1.1\r\n")
			require.NoError(t, err)
			for err == nil && time.Since(begin) < 20*time.Second {
				<-time.After(time.Second)
				_, err = io.WriteString(conn, "X")
			}
			require.Less(t, time.Since(begin), 15*time.Second)
		},
		"a body of a byte a second": func(t *testing.T) {
			begin := time.Now()
			conn, err := h.ask(t, post(1000))
			require.NoError(t, err)
			for err == nil && time.Since(begin) < 40*time.Second {
				<-time.After(time.Second)
				_, err = io.WriteString(conn, " ")
			}
			require.Less(t, time.Since(begin), 30*time.Second)
		},
		"readers that do not read": func(t *testing.T) {
			call := `{"jsonrpc":"2.0","id":1,"method":"syncd_history","params":[10000]}`
			batch := request("[" + strings.TrimSuffix(strings.Repeat(call+",", 5), ",") + "]")
			for range 60 {
				_, _ = h.ask(t, batch)
			}
		},
		"a body of a gibibyte": func(t *testing.T) {
			require.Eventually(t, func() bool { // the attack before it may have used up the calls
				conn, err := h.ask(t, post(gibibyte))
				require.NoError(t, err)
				go flood("", "[", gibibyte)(conn, nil)
				code, _ := answered(t, conn)
				return code == http.StatusRequestEntityTooLarge
			}, proof.Within, 200*time.Millisecond)
		},
		"a batch bomb": func(t *testing.T) {
			bomb := request("[" + strings.TrimSuffix(strings.Repeat("{},", 30_000), ",") + "]")
			require.Eventually(t, func() bool {
				conn, err := h.ask(t, bomb)
				require.NoError(t, err)
				_, body := answered(t, conn)
				if !strings.Contains(body, "calls a second") { // what an attack before this one asked counts too
					require.Contains(t, body, "batch too large")
				}
				return strings.Contains(body, "batch too large")
			}, proof.Within, time.Second)
		},
		"depth": func(t *testing.T) {
			conn, err := h.ask(t, request(strings.Repeat("[", 100_000)))
			require.NoError(t, err)
			_, body := answered(t, conn)
			require.Contains(t, body, "error")
		},
		"a header of a mebibyte": func(t *testing.T) {
			conn, err := h.ask(t, "GET /livez HTTP/1.1\r\nHost: localhost\r\n")
			require.NoError(t, err)
			go flood("X-More: ", "x", 1<<20)(conn, nil)
			closed(t, conn, proof.Within)
		},
		"header lines without end": func(t *testing.T) {
			conn, err := h.ask(t, "GET /livez HTTP/1.1\r\nHost: localhost\r\n")
			require.NoError(t, err)
			go flood("", "X-More: of the same\r\n", endless)(conn, nil)
			closed(t, conn, proof.Within)
		},
		"bytes that are no HTTP": func(t *testing.T) {
			conn, err := h.ask(t, "\x00\xff\x00\r\n\r\n")
			require.NoError(t, err)
			closed(t, conn, proof.Within)
		},
		"HTTP 1.0": func(t *testing.T) {
			conn, err := h.ask(t, "GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
			require.NoError(t, err)
			code, _ := answered(t, conn)
			require.Equal(t, http.StatusOK, code)
		},
		"more WebSockets than there is room for": func(t *testing.T) {
			var open sync.WaitGroup
			for range 100 {
				conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(h.api, "http"), nil)
				if err != nil {
					continue
				}
				open.Go(func() {
					defer conn.Close()
					_ = conn.WriteMessage(websocket.TextMessage, make([]byte, 4<<20))
					_ = conn.SetReadDeadline(time.Now().Add(proof.Within))
					for err == nil {
						_, _, err = conn.ReadMessage()
					}
				})
			}
			open.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h.t, h.trio.t = t, t
			before := h.highest()
			http.DefaultClient.CloseIdleConnections() // or the next client would have a place already
			attack(t)
			end := time.Now()
			require.Eventually(t, func() bool {
				res, err := http.Get(h.api + "/readyz")
				if err != nil {
					return false
				}
				return res.Body.Close() == nil && res.StatusCode == http.StatusOK
			}, proof.Within, 50*time.Millisecond, "the API does not answer, or the pair does not work")
			t.Logf("the next client was answered after %.2f s; %d MiB more", time.Since(end).Seconds(), (h.highest()-before)>>20)
			require.LessOrEqual(t, h.highest()-h.memory, apiMemory)
			require.Eventually(t, func() bool {
				s, err := proof.Ask(h.api)
				return err == nil && s.Stage == "working"
			}, proof.Within, 50*time.Millisecond)
		})
	}
	h.t, h.trio.t = t, t
	http.DefaultClient.CloseIdleConnections()
	require.Eventually(t, func() bool { return h.running() <= h.goroutines+hostileGoroutines }, proof.Within, time.Second, "goroutines stay behind")
	h.requireSafe()
}
