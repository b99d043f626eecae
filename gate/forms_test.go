package gate

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// owned returns a call of method with a pad of n bytes before the method's name.
func owned(id, method string, n int) string {
	return `{"jsonrpc":"2.0",` + id + `"params":[[],"` + strings.Repeat("x", n) + `"],"method":"` + method + `"}`
}

// form is a spelling of an owned call.
type form struct {
	raw      func(method string) string
	backends []string // over which gwat executes it and the gate holds it
	silent   bool     // nobody is answered
	only     string   // the backend over which it is tried; "" for all
}

var forms = map[string]form{
	"the method after 100 KiB":   {raw: func(m string) string { return owned(`"id":1,`, m, 100<<10) }, backends: kinds},
	"80 KiB of spaces before it": {raw: func(m string) string { return strings.Repeat(" ", 80<<10) + owned(`"id":1,`, m, 1) }, backends: kinds},
	"no id":                      {raw: func(m string) string { return owned("", m, 1) }, backends: kinds, silent: true},
	"no id, the method late":     {raw: func(m string) string { return owned("", m, 100<<10) }, backends: kinds, silent: true},
	"null as id":                 {raw: func(m string) string { return owned(`"id":null,`, m, 1) }, backends: kinds},
	"late in a batch":            {raw: func(m string) string { return `[{"id":2,"method":"eth_a"},` + owned(`"id":1,`, m, 100<<10) + "]" }, backends: kinds},
	"no id, in a batch":          {raw: func(m string) string { return "[" + owned("", m, 1) + "]" }, backends: kinds, silent: true},
	"6 MiB":                      {raw: func(m string) string { return owned(`"id":1,`, m, 6<<20) }, backends: []string{"ws", "ipc"}},
	"6 MiB, in a batch":          {raw: func(m string) string { return "[" + owned(`"id":1,`, m, 6<<20) + "]" }, backends: []string{"ws", "ipc"}},
	"16 MiB":                     {raw: func(m string) string { return owned(`"id":1,`, m, 16<<20) }, backends: []string{"ipc"}, only: "ipc"},
	"16 MiB, too long":           {raw: func(m string) string { return owned(`"id":1,`, m, 16<<20) }, only: "ws"},
	"33 MiB":                     {raw: func(m string) string { return owned(`"id":1,`, m, 33<<20) }, only: "ipc"},
}

// A dag_finalize is held in every form in which gwat executes it, and in any other one
// forwarded at once: over HTTP gwat refuses more than 5 MiB, over WebSocket more than 15 MiB;
// over its socket the gate holds no more than 32 MiB.
func TestFinalizeIsHeldInEveryForm(t *testing.T) {
	for _, backend := range kinds {
		var came atomic.Int64
		gwat := newStandIn(t, func(raw string) (int, string) {
			came.Add(int64(strings.Count(raw, methodFinalize)))
			return answersAs(raw)
		})
		g := startGate(t, gwat.endpoint(backend), headSync)
		for _, listener := range kinds {
			for name, f := range forms {
				if f.only != "" && f.only != backend {
					continue
				}
				t.Run(listener+" to "+backend+", "+name, func(t *testing.T) {
					holdForm(t, g, &came, listener, f, slices.Contains(f.backends, backend))
				})
			}
		}
	}
}

func answersAs(raw string) (int, string) {
	status, answer, _ := answersLikeGwat(context.Background(), raw)
	return status, answer
}

// holdForm sends f while the gate is locked, and requires that it is held, or not; came
// counts what comes to gwat.
func holdForm(t *testing.T, g *Gate, came *atomic.Int64, listener string, f form, held bool) {
	before := came.Load()
	release, err := g.Lock(t.Context())
	require.NoError(t, err)
	defer release()
	c := dialGate(t, g, listener)
	got := make(chan string, 1)
	go func() {
		raw := f.raw(methodFinalize)
		if listener == "http" {
			_, answer, _ := c.call(raw)
			got <- answer
			return
		}
		if c.send(raw) != nil {
			got <- "not sent"
			return
		}
		answer := ""
		if !f.silent {
			answer, _ = c.receive()
		}
		got <- answer
	}()
	if held {
		waitFor(t, "the call is held", func() bool { return g.Status().Held == 1 })
		require.Equal(t, before, came.Load())
		release()
	}
	waitFor(t, "gwat has it", func() bool { return came.Load() == before+1 })
	answer := <-got
	require.Equal(t, f.silent, answer == "", "%.100s", answer)
	require.NotContains(t, answer, `"code"`)
	waitFor(t, "nothing is held", func() bool { return g.Status().Held == 0 && g.held.used.Load() == 0 })
	require.Equal(t, before+1, came.Load(), "once")
	if listener != "http" {
		_, answer, err := c.call(blockNumber)
		require.NoError(t, err)
		require.Equal(t, "1", idOf(answer), "the next message is the next answer")
	}
}

// What the gate answers itself reaches gwat whole in none of the forms.
func TestDriverIsAnsweredInEveryForm(t *testing.T) {
	for _, backend := range kinds {
		var came atomic.Int64
		gwat := newStandIn(t, func(raw string) (int, string) {
			if json.Valid([]byte(raw)) && strings.Contains(raw, methodReady) {
				came.Add(1)
			}
			return answersAs(raw)
		})
		g := startGate(t, gwat.endpoint(backend), headSync)
		for _, listener := range kinds {
			for name, f := range forms {
				if f.only != "" && (f.only != backend || listener == backend) {
					continue
				}
				t.Run(listener+" to "+backend+", "+name, func(t *testing.T) {
					c, calls := dialGate(t, g, listener), g.Status().Calls
					if f.silent && listener != "http" {
						require.NoError(t, c.send(f.raw(methodReady)))
						waitFor(t, "its record", func() bool { return g.Status().Calls > calls })
					} else {
						_, answer, err := c.call(f.raw(methodReady))
						require.NoError(t, err)
						require.Equal(t, f.silent, answer == "")
						if slices.Contains(f.backends, backend) && !f.silent {
							require.Contains(t, answer, `"result":true`)
						}
					}
					require.Zero(t, came.Load())
				})
			}
		}
	}
}

// gwat's own refusal of what it does not take over HTTP reaches the caller as it is.
func TestTooLongForGwat(t *testing.T) {
	gwat := newRealServer(t)
	g := startGate(t, gwat.endpoint("http"), headSync)
	for _, raw := range []string{forms["6 MiB"].raw(methodFinalize), forms["6 MiB, in a batch"].raw(methodFinalize)} {
		status, answer, err := dialGate(t, g, "http").call(raw)
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestEntityTooLarge, status, answer)
	}
	require.Zero(t, g.Status().Absorbed.Count)
}

// A dag_finalize without an id waits for gwat as any other, and is sent once: gwat says
// nothing about it. What it came to is not known, so it is no evidence of work.
func TestFinalizeWithoutID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		b := &fakeBackend{}
		b.do_ = func(ctx context.Context, raw string) (int, string, error) {
			if time.Since(began) < 2*time.Second {
				return down(ctx, raw)
			}
			return 200, "", nil
		}
		g := fakeGate(t, headSync, b)
		raw := strings.Replace(finalize(1), `"id":1,`, "", 1)
		status, answer := post(t.Context(), g, raw)
		require.Equal(t, 200, status)
		require.Empty(t, answer)
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Equal(t, 21, b.calls())
		require.Equal(t, OutcomeDelivered, g.Calls(0)[0].Outcome)
		require.False(t, g.Calls(0)[0].Worked())

		b.do_ = down
		status, answer = post(t.Context(), g, "["+raw+"]")
		require.Equal(t, 200, status)
		require.Empty(t, answer)
		require.Equal(t, 1, g.Status().Absorbed.Count, "proved or pushed later (S9)")
		require.Len(t, g.Status().Absorbed.Spines, 1)
	})
}

// Where the memory for held calls is full, a call that names no owned method streams.
func TestFullMemoryKeepsOnlyOwnedCallsOut(t *testing.T) {
	gwat := newStandIn(t, func(raw string) (int, string) { return answersAs(raw) })
	g := startGate(t, gwat.endpoint("ipc"), headSync, func(c *Config) { c.MaxHeld = 32 << 10 })
	for _, listener := range kinds {
		c := dialGate(t, g, listener)
		for _, raw := range []string{owned(`"id":1,`, "eth_a", 100<<10), "[" + owned(`"id":1,`, "eth_a", 100<<10) + "]"} {
			_, answer, err := c.call(raw)
			require.NoError(t, err)
			require.Contains(t, answer, `"result"`, listener)
		}
	}
}
