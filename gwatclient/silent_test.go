package gwatclient

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// rawServer is an HTTP server whose answers a test writes byte by byte. answer gets
// the number of the request over all connections, from 1, and reports whether the
// connection stays open.
func rawServer(t *testing.T, answer func(n int, w io.Writer) bool) (url string, requests *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	requests = new(atomic.Int32)
	var serving sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	serve := func(conn net.Conn) {
		defer conn.Close()
		in := bufio.NewReader(conn)
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if !answer(int(requests.Add(1)), conn) {
				return
			}
		}
	}
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			serving.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return "http://" + listener.Addr().String(), requests
}

const chainIDBody = `{"jsonrpc":"2.0","id":1,"result":"0x7"}`

func httpAnswer(extra string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", extra, len(chainIDBody), chainIDBody)
}

// TestReadsSurviveSilentCloses: a server may close a connection at any moment
// without saying so. A read is then repeated on a fresh connection; a call that
// changes gwat never is.
func TestReadsSurviveSilentCloses(t *testing.T) {
	good := httpAnswer("")
	for name, answer := range map[string]func(n int, w io.Writer) bool{
		"after each answer": func(_ int, w io.Writer) bool { _, _ = io.WriteString(w, good); return false },
		"Connection: close": func(_ int, w io.Writer) bool {
			_, _ = io.WriteString(w, httpAnswer("Connection: close\r\n"))
			return false
		},
		"in place of an answer": everyOther(""),
		"after the header":      everyOther("HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n"),
		"in the header":         everyOther("HTTP/1.1 200 OK\r\nContent-Le"),
		"after half the body":   everyOther(good[:len(good)-12]),
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := rawServer(t, answer)
			client := newClient(t, Config{Endpoint: url})
			for range 20 {
				id, err := client.ChainID(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, 7, id)
			}
		})
	}
}

// TestManyReadsSurviveSilentCloses: a connection may also be closed between the
// moment it is chosen for a call and the first byte of it.
func TestManyReadsSurviveSilentCloses(t *testing.T) {
	url, _ := rawServer(t, func(_ int, w io.Writer) bool { _, _ = io.WriteString(w, httpAnswer("")); return false })
	client := newClient(t, Config{Endpoint: url})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 100 {
				if _, err := client.ChainID(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
}

// everyOther sends half and closes at each odd request, and answers the even ones.
func everyOther(half string) func(int, io.Writer) bool {
	return func(n int, w io.Writer) bool {
		if n%2 == 1 {
			_, _ = io.WriteString(w, half)
			return false
		}
		_, _ = io.WriteString(w, httpAnswer(""))
		return true
	}
}

func TestReadIsRepeatedOnce(t *testing.T) {
	url, requests := rawServer(t, func(int, io.Writer) bool { return false })
	client := newClient(t, Config{Endpoint: url})
	_, err := client.ChainID(t.Context())
	require.ErrorIs(t, err, ErrLost)
	require.EqualValues(t, 2, requests.Load())
	_, err = client.BlocksByNumber(t.Context(), 1, 2)
	require.ErrorIs(t, err, ErrLost)
	require.EqualValues(t, 4, requests.Load())
}

func TestChangeIsNeverRepeated(t *testing.T) {
	for name, half := range map[string]string{
		"no answer": "", "header": "HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n", "half an answer": httpAnswer("")[:90],
	} {
		t.Run(name, func(t *testing.T) {
			url, requests := rawServer(t, func(_ int, w io.Writer) bool { _, _ = io.WriteString(w, half); return false })
			client := newClient(t, Config{Endpoint: url})
			_, err := client.Changes(permit).HeadSync(t.Context(), nil)
			require.ErrorIs(t, err, ErrLost)
			require.True(t, PossiblyDone(err))
			require.EqualValues(t, 1, requests.Load())
			require.ErrorIs(t, client.Changes(permit).Finalize(t.Context(), nil), ErrLost)
			require.EqualValues(t, 2, requests.Load())
		})
	}
}
