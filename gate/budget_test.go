package gate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// errorOf returns the code and the text of a JSON-RPC error, and whose it is.
func errorOf(t *testing.T, answer string) (id string, code int, text string) {
	t.Helper()
	var m struct {
		ID    json.RawMessage
		Error struct {
			Code    int
			Message string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &m), answer)
	return string(m.ID), m.Error.Code, m.Error.Message
}

// longFinalize is a dag_finalize of about n bytes.
func longFinalize(id string, n int) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"dag_finalize","params":[["0x` + strings.Repeat("0", 64) + `"],"` + strings.Repeat("x", n) + `"]}`
}

// All calls that are held whole share one budget, over all connections: what does not fit
// waits, and all else passes.
func TestHeldCallsShareABudget(t *testing.T) {
	for _, listener := range kinds {
		t.Run(listener, func(t *testing.T) {
			open := make(chan struct{})
			opens := sync.OnceFunc(func() { close(open) })
			gwat := newStandIn(t, func(raw string) (int, string) {
				if strings.Contains(raw, methodFinalize) {
					<-open
				}
				return 200, result(raw, finalized)
			})
			g := startGate(t, gwat.endpoint("http"), headSync, func(c *Config) { c.MaxHeld = 100 << 10 })
			t.Cleanup(opens)
			first, second := dialGate(t, g, "http"), dialGate(t, g, listener)
			done := make(chan string, 1)
			go func() {
				_, answer, _ := first.call(longFinalize("1", 40<<10))
				done <- answer
			}()
			waitFor(t, "the call is held", func() bool { return g.Status().Held == 1 })

			waits := dialGate(t, g, listener)
			waited := make(chan string, 1)
			go func() {
				_, answer, _ := waits.call(longFinalize(`"b"`, 60<<10))
				waited <- answer
			}()
			_, answer, err := second.call(`{"jsonrpc":"2.0","id":4,"method":"eth_a","params":["` + strings.Repeat("x", 1<<20) + `"]}`)
			require.NoError(t, err)
			require.Equal(t, trim(result(`{"id":4}`, finalized)), trim(answer), "what streams through needs none of it")
			waitFor(t, "the call that streams is recorded", func() bool {
				return slices.ContainsFunc(g.Calls(0), func(c Call) bool { return c.Outcome == OutcomeOK })
			})

			select {
			case answer := <-waited:
				t.Fatalf("there was memory for it: %s", answer)
			default:
			}
			opens()
			require.Equal(t, result(`{"id":1}`, finalized), <-done)
			require.Equal(t, trim(result(`{"id":"b"}`, finalized)), trim(<-waited))
			_, answer, err = second.call(longFinalize("5", 60<<10))
			require.NoError(t, err)
			require.Equal(t, trim(result(`{"id":5}`, finalized)), trim(answer))
			waitFor(t, "all is given back", func() bool { return g.held.used.Load() == 0 })
		})
	}
}

// hog takes memory of g until the test ends.
func hog(t *testing.T, g *Gate, n int64) {
	t.Helper()
	h := &grant{of: &g.held}
	require.NoError(t, h.take(n))
	t.Cleanup(h.release)
}

// A dag_finalize for which there is no memory all the time is absorbed, if its spines are known.
// An owned call that nobody could prove later, and a batch, are answered with an error.
func TestNoMemoryForAnOwnedCall(t *testing.T) {
	for _, listener := range kinds {
		gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, finalized) })
		g := startGate(t, gwat.endpoint("http"), headSync, func(c *Config) { c.MaxHeld, c.Absorb = 100<<10, 100*time.Millisecond })
		hog(t, g, 100<<10)
		c := dialGate(t, g, listener)
		for i, raw := range []string{finalize(1), longFinalize("1", 10<<10)} {
			began := time.Now()
			_, answer, err := c.call(raw)
			require.NoError(t, err)
			require.Equal(t, trim(string(absorbedAnswer("1"))), trim(answer))
			require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
			absorbed := g.Status().Absorbed
			require.Equal(t, i+1, absorbed.Count)
			require.Contains(t, absorbed.Error, "holds as much of other calls as it may")
		}
		require.Len(t, g.Status().Absorbed.Spines, 2)
		silent := strings.Replace(finalize(1), `"id":1,`, "", 1)
		if listener == "http" {
			_, answer, err := c.call(silent)
			require.NoError(t, err)
			require.Empty(t, answer)
		} else {
			require.NoError(t, c.send(silent))
		}
		for raw, of := range map[string]string{
			longFinalize(`"b"`, 60<<10): `"b"`, "[" + longFinalize("2", 60<<10) + `,{"id":3,"method":"eth_a"}]`: "null",
		} {
			_, answer, err := c.call(raw)
			require.NoError(t, err)
			id, code, text := errorOf(t, answer)
			require.Equal(t, codeLimit, code)
			require.Contains(t, text, "holds as much of other calls as it may")
			require.Equal(t, of, id)
		}
		require.Empty(t, gwat.messages())
		require.Equal(t, 3, g.Status().Absorbed.Count)
	}
}

// A dag_finalize that shows while its message streams, as memory was short, does not reach gwat;
// what names it early finds the memory that is kept for it.
func TestLateFinalizeWithoutMemory(t *testing.T) {
	eachWay(t, func(t *testing.T, listener, backend string) {
		gwat := newStandIn(t, func(raw string) (int, string) { return answersAs(raw) })
		g := startGate(t, gwat.endpoint(backend), headSync, func(c *Config) { c.MaxHeld = 400 << 10 })
		hog(t, g, 300<<10)
		long := `"x":"` + strings.Repeat("x", 64<<10) + `"`
		for _, raw := range []string{
			`[{"jsonrpc":"2.0","id":1,"method":"eth_a",` + long + `},` + finalize(1) + `]`,
			`{` + long + `,` + finalize(1)[1:],
		} {
			_, answer, err := dialGate(t, g, listener).call(raw)
			require.NoError(t, err)
			require.Contains(t, answer, `"code":-32`, "%.200s", answer)
			require.Contains(t, answer, "had all memory", "%.200s", answer)
		}
		for _, raw := range gwat.messages() {
			require.False(t, json.Valid([]byte(raw)), "%.100s", raw)
		}
		_, answer, err := dialGate(t, g, listener).call(longFinalize("1", 20<<10))
		require.NoError(t, err)
		require.NotContains(t, answer, `"code"`)
		require.Contains(t, answer, `"result"`)
	})
}

// The list of a split batch and gwat's answers to it count, too.
func TestSplitBatchIsBounded(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) {
		if raw[0] != '[' {
			return 200, result(raw, finalized)
		}
		return 200, `[{"jsonrpc":"2.0","id":1,"result":"` + strings.Repeat("x", 1<<20) + `"}]`
	})
	g := startGate(t, gwat.endpoint("http"), headSync, func(c *Config) { c.MaxHeld = 1 << 20 })
	c := dialGate(t, g, "http")
	_, answer, err := c.call("[" + strings.Repeat("1,", 50_000) + finalize(2) + "]")
	require.NoError(t, err)
	_, code, _ := errorOf(t, answer)
	require.Equal(t, codeLimit, code)
	require.Empty(t, gwat.messages())

	_, answer, err = c.call(`[{"jsonrpc":"2.0","id":1,"method":"eth_a"},` + finalize(2) + "]")
	require.NoError(t, err)
	var answers []json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(answer), &answers))
	require.Len(t, answers, 2)
	id, code, _ := errorOf(t, string(answers[0]))
	require.Equal(t, codeLimit, code)
	require.Equal(t, "1", id)
	require.Equal(t, trim(result(finalize(2), finalized)), string(answers[1]))
	require.Zero(t, g.held.used.Load())
}

// A caller that leaves in the middle of a long call gives back what it had.
func TestCutCallGivesItsMemoryBack(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, finalized) })
	g := startGate(t, gwat.endpoint("ipc"), headSync)
	c := dialGate(t, g, "ipc").(*ipcCaller)
	_, err := io.WriteString(c, strings.TrimSuffix(longFinalize("1", 100<<10), "}"))
	require.NoError(t, err)
	waitFor(t, "it is read", func() bool { return g.held.used.Load() > 100<<10 })
	c.Close()
	waitFor(t, "all is given back", func() bool { return g.held.used.Load() == 0 })
}

// Further connections wait until one of those that are open ends; none is refused.
func TestConnectionsAreLimited(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, "true") })
	g := startGate(t, gwat.endpoint("http"), headSync, func(c *Config) { c.MaxConnections = 2 })
	for _, listener := range kinds {
		t.Run(listener, func(t *testing.T) {
			const call = `{"jsonrpc":"2.0","id":1,"method":"eth_a"}`
			one, other := dialGate(t, g, listener), dialGate(t, g, listener)
			for _, c := range []caller{one, other} {
				_, answer, err := c.call(call)
				require.NoError(t, err)
				require.Equal(t, trim(result(call, "true")), trim(answer))
			}
			answered := make(chan error, 1)
			go func() {
				third := dialGate(t, g, listener)
				_, _, err := third.call(call)
				answered <- err
			}()
			select {
			case err := <-answered:
				t.Fatalf("a third connection was served: %v", err)
			case <-time.After(100 * time.Millisecond):
			}
			one.close()
			require.NoError(t, <-answered)
		})
	}
}

// A head of a request without end is refused.
func TestHeadersAreLimited(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return 200, result(raw, "true") })
	g := startGate(t, gwat.endpoint("http"), headSync)
	for _, name := range []string{NameHTTP, NameWS} {
		c, err := net.Dial("tcp", g.Addr(name).String())
		require.NoError(t, err)
		defer c.Close()
		go func() {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 2*maxHeaderBytes))
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
	}
	require.Empty(t, gwat.messages())
}

// A list with millions of values that are no entries is read without keeping them.
func TestLongListOfNothing(t *testing.T) {
	params := []byte("[[" + strings.Repeat("1,", 1<<20) + "1]]")
	var list *SentList
	allocs := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			list = sentList(time.Time{}, params)
		}
	})
	require.Equal(t, 1<<20+1, list.Total)
	require.NotEmpty(t, list.Malformed)
	require.Less(t, allocs.AllocedBytesPerOp(), int64(1<<20))
}

// A call that is over frees its own memory, once, and leaves alone that of the call which
// has taken its request from the pool meanwhile. Every call has a goroutine of its own, and
// nothing that a call does after its record orders it before the next ones: so the race detector
// sees two that touch one request.
func TestMemoryIsFreedOnceAndByItsOwner(t *testing.T) {
	const waves, each = 50, 8
	var vouched, wrong atomic.Int64
	var g *Gate
	body := result(blockNumber, `"0x1"`)
	gwat := serveRaw(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body), func(r *http.Request) {
		if r.ContentLength != int64(len(chainID)) {
			return
		}
		if vouched.Add(1)*firstRead > g.held.used.Load() {
			wrong.Add(1)
		}
		vouched.Add(-1)
	})
	g = startGate(t, "http://"+gwat, headSync)
	var all sync.WaitGroup
	for wave := range waves {
		for i := range each {
			all.Go(func() {
				call := []string{blockNumber, chainID}[i%2]
				body := iotest.DataErrReader(strings.NewReader(call)) // as a server's: its end comes with its last byte
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
				r.ContentLength = int64(len(call))
				g.Handler().ServeHTTP(httptest.NewRecorder(), r)
			})
		}
		waitFor(t, "the calls end", func() bool { return g.Status().Calls == uint64(each*(wave+1)) })
	}
	all.Wait()
	require.Zero(t, wrong.Load(), "calls at gwat whose memory another call freed")
	require.Zero(t, g.held.used.Load())
}
