package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
)

// fakeBackend is a gwat without sockets.
type fakeBackend struct {
	do_  func(ctx context.Context, raw string) (int, string, error)
	busy atomic.Int32
	most atomic.Int32 // calls at once, of all methods
	mu   sync.Mutex
	got  []string
}

func (b *fakeBackend) do(ctx context.Context, x *exchange) (*reply, error) {
	raw, err := io.ReadAll(x.body)
	if err != nil {
		return nil, err
	}
	b.most.Store(max(b.most.Load(), b.busy.Add(1)))
	defer b.busy.Add(-1)
	b.mu.Lock()
	b.got = append(b.got, string(raw))
	b.mu.Unlock()
	status, answer, err := b.do_(ctx, string(raw))
	if err != nil {
		return nil, err
	}
	return &reply{status: status, body: io.NopCloser(strings.NewReader(answer)), length: int64(len(answer))}, nil
}
func (b *fakeBackend) close() {}
func (b *fakeBackend) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.got)
}

// fakeGate is a gate whose handler is called without sockets.
func fakeGate(t *testing.T, v View, b *fakeBackend, change ...func(*Config)) *Gate {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	cfg := Config{HTTP: "127.0.0.1:0", Backend: "http://127.0.0.1:1", View: v, Log: log}
	for _, c := range change {
		c(&cfg)
	}
	g, err := New(cfg)
	require.NoError(t, err)
	g.backend = b
	return g
}

// post serves one request; the answer is "" if the caller is gone.
func post(ctx context.Context, g *Gate, raw string) (status int, answer string) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(raw))
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		} else if p != nil {
			status, answer = 0, ""
		}
	}()
	httpHandler{g: g, post: true}.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func finalize(id int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"dag_finalize","params":[["0x%064x"]]}`, id, id)
}

const finalized = `{"error":null}`

var errRefused = &downError{mustParse("/gwat.ipc"), errors.New("connection refused")}

func down(context.Context, string) (int, string, error) { return 0, "", errRefused }

func answering(value string) func(context.Context, string) (int, string, error) {
	return func(_ context.Context, raw string) (int, string, error) { return 200, result(raw, value), nil }
}

func TestHeldCallIsAbsorbedAfter20s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{do_: down}
		g := fakeGate(t, headSync, b)
		began := time.Now()
		status, answer := post(t.Context(), g, finalize(7))
		require.Equal(t, 20*time.Second, time.Since(began))
		require.Equal(t, 200, status)
		require.Equal(t, `{"jsonrpc":"2.0","id":7,"result":{"error":null}}`+"\n", answer, "as gwat answers")
		require.InDelta(t, 200, b.calls(), 1, "asked again every 100 ms")

		s := g.Status()
		require.Equal(t, 1, s.Absorbed.Count)
		require.Equal(t, began, s.Absorbed.Since)
		require.Len(t, s.Absorbed.Spines, 1)
		require.Zero(t, s.Absorbed.Lasting)
		call := g.Calls(0)[0]
		require.Equal(t, OutcomeAbsorbed, call.Outcome)
		require.False(t, call.Worked(), "never evidence of work (S5)")
		require.Equal(t, b.calls(), call.Tries)
		require.Contains(t, call.Error, "gwat does not answer at /gwat.ipc: connection refused")

		g.Proved(s.Absorbed.LastSeq - 1)
		require.Equal(t, 1, g.Status().Absorbed.Count, "an older proof is none of this call")
		g.Proved(s.Absorbed.LastSeq)
		require.Zero(t, g.Status().Absorbed.Count)
	})
}

func TestHeldCallIsAskedAgainUntilGwatTakesIt(t *testing.T) {
	for name, first := range map[string]func(context.Context, string) (int, string, error){
		"connection refused": down,
		"no answer":          func(context.Context, string) (int, string, error) { return 0, "", &cutError{err: io.EOF} },
		"empty answer":       func(context.Context, string) (int, string, error) { return 200, "", nil },
		"half an answer":     func(context.Context, string) (int, string, error) { return 200, `{"jsonrpc":"2.0","id":1,`, nil },
		"synchronization":    answering(`{"error":"synchronization"}`),
		"busy":               answering(`{"error":"busy"}`),
		"spine not found":    answering(`{"error":"spine not found"}`),
		"spine not found, JSON-RPC form": func(context.Context, string) (int, string, error) {
			return 200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"spine not found: 0x12"}}`, nil
		},
		"a proxy before gwat": func(context.Context, string) (int, string, error) { return 503, "try later", nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				b := &fakeBackend{}
				b.do_ = func(ctx context.Context, raw string) (int, string, error) {
					if time.Since(began) < 1050*time.Millisecond {
						return first(ctx, raw)
					}
					return answering(finalized)(ctx, raw)
				}
				g := fakeGate(t, headSync, b)
				status, answer := post(t.Context(), g, finalize(1))
				require.Equal(t, 1100*time.Millisecond, time.Since(began))
				require.Equal(t, 200, status)
				require.Equal(t, result(finalize(1), finalized), answer)
				require.Equal(t, 12, b.calls())
				call := g.Calls(0)[0]
				require.Equal(t, OutcomeOK, call.Outcome)
				require.True(t, call.Worked())
				require.Zero(t, g.Status().Absorbed.Count)
			})
		})
	}
}

// Calls are served in order of arrival, one at a time, and absorbed in that order.
func TestHeldCallsKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		b := &fakeBackend{}
		b.do_ = func(ctx context.Context, raw string) (int, string, error) {
			if time.Since(began) < 27*time.Second {
				return down(ctx, raw)
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				return 0, "", ctx.Err()
			}
			return answering(finalized)(ctx, raw)
		}
		g := fakeGate(t, headSync, b)
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				_, answer := post(t.Context(), g, finalize(i+1))
				mu.Lock()
				defer mu.Unlock()
				order = append(order, idOf(answer))
			})
			time.Sleep(2 * time.Second)
		}
		require.Equal(t, 6, g.Status().Held)
		require.Equal(t, began, g.Status().HeldSince)
		wg.Wait()
		require.Equal(t, []string{"1", "2", "3", "4", "5", "6"}, order)
		require.EqualValues(t, 1, b.most.Load(), "one at a time")
		var outcomes []Outcome
		for _, c := range g.Calls(0) {
			outcomes = append(outcomes, c.Outcome)
		}
		require.Equal(t, []Outcome{OutcomeAbsorbed, OutcomeAbsorbed, OutcomeAbsorbed, OutcomeAbsorbed, OutcomeOK, OutcomeOK}, outcomes,
			"those that arrived before 7 s were over at 27 s")
	})
}

func TestHangingGwatHoldsNobodyLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{do_: func(ctx context.Context, _ string) (int, string, error) {
			<-ctx.Done()
			return 0, "", &cutError{err: ctx.Err()}
		}}
		g := fakeGate(t, headSync, b)
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				arrived := time.Now()
				_, answer := post(t.Context(), g, finalize(i))
				require.Equal(t, string(absorbedAnswer(fmt.Sprint(i))), answer)
				require.Equal(t, 20*time.Second, time.Since(arrived))
			})
			time.Sleep(4 * time.Second)
		}
		wg.Wait()
		require.Equal(t, 28*time.Second, time.Since(began))
		require.Equal(t, 3, b.calls())
	})
}

// A caller that hung up is dropped, and its call never forwarded later.
func TestGoneCallerIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		b := &fakeBackend{}
		b.do_ = func(ctx context.Context, raw string) (int, string, error) {
			if time.Since(began) < 12*time.Second {
				return down(ctx, raw)
			}
			return answering(finalized)(ctx, raw)
		}
		g := fakeGate(t, headSync, b)
		ctx, hangUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 3 {
			who := t.Context()
			if i == 1 {
				who = ctx
			}
			wg.Go(func() {
				status, _ := post(who, g, finalize(i))
				require.Equal(t, i != 1, status == 200)
			})
			synctest.Wait()
		}
		time.Sleep(5 * time.Second)
		hangUp()
		synctest.Wait()
		require.Equal(t, 2, g.Status().Held)
		wg.Wait()
		require.Equal(t, 12*time.Second, time.Since(began))
		require.NotContains(t, b.got, finalize(1))
		require.Equal(t, OutcomeGone, g.Calls(0)[0].Outcome)
	})
}

func TestLastingErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{do_: answering(`{"error":"bad spine order"}`)}
		g := fakeGate(t, headSync, b)
		began := time.Now()
		_, answer := post(t.Context(), g, finalize(3))
		require.Zero(t, time.Since(began))
		require.Equal(t, string(absorbedAnswer("3")), answer)
		require.Equal(t, 1, g.Status().Absorbed.Lasting)
		require.Equal(t, "bad spine order", g.Status().Absorbed.Error)

		g = fakeGate(t, headSync, b, func(c *Config) { c.PassLastingErrors = true })
		_, answer = post(t.Context(), g, finalize(4))
		require.Equal(t, result(finalize(4), `{"error":"bad spine order"}`), answer)
		require.Equal(t, OutcomeError, g.Calls(0)[0].Outcome)

		// A spine that nobody has is asked for until the time is over.
		b.do_ = answering(`{"error":"spine not found"}`)
		began = time.Now()
		_, answer = post(t.Context(), g, finalize(5))
		require.Equal(t, 20*time.Second, time.Since(began))
		require.Equal(t, result(finalize(5), `{"error":"spine not found"}`), answer)
		g.SetView(View{Era: checkpoint.EraHeadSync, State: StateSyncing}) // gwat is only behind
		_, answer = post(t.Context(), g, finalize(6))
		require.Equal(t, string(absorbedAnswer("6")), answer)
		require.Zero(t, g.Status().Absorbed.Lasting)
	})
}

// A token that gwat refuses is the caller's, unless it grew old while it waited.
func TestRefusedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{do_: func(context.Context, string) (int, string, error) { return 401, "stale token\n", nil }}
		g := fakeGate(t, headSync, b)
		status, answer := post(t.Context(), g, finalize(1))
		require.Equal(t, 401, status)
		require.Equal(t, "stale token\n", answer)

		b.do_ = func(ctx context.Context, raw string) (int, string, error) {
			if b.calls() < 100 {
				return down(ctx, raw)
			}
			return 401, "stale token", nil
		}
		_, answer = post(t.Context(), g, finalize(2))
		require.Equal(t, string(absorbedAnswer("2")), answer)
	})
}

// The lock keeps held calls away from gwat; between two locks all get through.
func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{}
		b.do_ = func(ctx context.Context, raw string) (int, string, error) {
			time.Sleep(500 * time.Millisecond)
			return answering(finalized)(ctx, raw)
		}
		g := fakeGate(t, headSync, b)
		var wg sync.WaitGroup
		call := func(id int) { wg.Go(func() { post(t.Context(), g, finalize(id)) }) }
		call(1)
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		release, err := g.Lock(t.Context())
		require.NoError(t, err)
		require.Equal(t, 400*time.Millisecond, time.Since(began), "until the call at gwat ended")
		require.True(t, g.Status().Locked)

		call(2)
		call(3)
		time.Sleep(3 * time.Second)
		require.Equal(t, 1, b.calls())
		require.Equal(t, 2, g.Status().Held)
		status, _ := post(t.Context(), g, `{"jsonrpc":"2.0","id":9,"method":"eth_blockNumber"}`)
		require.Equal(t, 200, status, "everything else passes at once")
		require.Equal(t, 2, b.calls())

		began = time.Now()
		release()
		release()
		release, err = g.Lock(t.Context())
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(began), "what waited went through before")
		require.Equal(t, 4, b.calls())

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = g.Lock(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		release()
		wg.Wait()
	})
}

// A call that gwat does not take must not keep syncd from the push that heals it.
func TestLockIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{do_: answering(`{"error":"spine not found"}`)}
		g := fakeGate(t, headSync, b)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() { post(ctx, g, finalize(i)) })
		}
		for range 3 {
			began := time.Now()
			release, err := g.Lock(t.Context())
			require.NoError(t, err)
			require.LessOrEqual(t, time.Since(began), 100*time.Millisecond)
			release()
		}
		cancel()
		wg.Wait()
	})
}

// Nor must calls that end at a gwat which hangs: the first of them lets the lock pass, whoever
// of the next call and the lock is woken first.
func TestLockFollowsTheFirstCallThatHangs(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			b := &fakeBackend{do_: func(ctx context.Context, _ string) (int, string, error) {
				<-ctx.Done()
				return 0, "", &cutError{err: ctx.Err()}
			}}
			g := fakeGate(t, headSync, b)
			ctx, cancel := context.WithCancel(t.Context())
			began := time.Now()
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() { post(ctx, g, finalize(i)) })
				time.Sleep(4 * time.Second)
			}
			release, err := g.Lock(t.Context())
			require.NoError(t, err)
			require.Equal(t, 20*time.Second, time.Since(began), "when the first one is absorbed")
			require.Equal(t, 1, b.calls())
			release()
			synctest.Wait()
			require.Equal(t, 2, b.calls(), "and then the next one has its try")
			cancel()
			wg.Wait()
		})
	}
}

func TestLockEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{do_: answering(finalized)}
		g := fakeGate(t, headSync, b, func(c *Config) { c.Lease = 5 * time.Second })
		release, err := g.Lock(t.Context())
		require.NoError(t, err)
		began := time.Now()
		_, answer := post(t.Context(), g, finalize(1))
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Equal(t, result(finalize(1), finalized), answer)
		release()
	})
}

func TestStopAbsorbsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{do_: down}
		g := fakeGate(t, headSync, b)
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				_, answer := post(t.Context(), g, finalize(i))
				require.Equal(t, string(absorbedAnswer(fmt.Sprint(i))), answer)
			})
		}
		time.Sleep(3 * time.Second)
		close(g.stopping)
		wg.Wait()
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, 4, g.Status().Absorbed.Count)
	})
}

// Paused, observing, or in an era that is not its own, the gate holds nothing.
func TestForwardsEverythingWithHandsOff(t *testing.T) {
	for name, v := range map[string]View{
		"hands off":                     {Era: checkpoint.EraHeadSync, State: StateHandsOff},
		"hands off, unknown era":        handsOff,
		"coordinated":                   coordinated,
		"unknown era, coordinated call": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &fakeBackend{do_: down}
				g := fakeGate(t, v, b)
				raw := finalize(1)
				if v.State == StateSyncing || v.Era == checkpoint.EraCoordinated {
					raw = `{"jsonrpc":"2.0","id":1,"method":"dag_finalize","params":[{"spines":[]}]}`
				}
				began := time.Now()
				status, answer := post(t.Context(), g, raw)
				require.Zero(t, time.Since(began))
				require.Equal(t, 502, status)
				require.Contains(t, answer, "gwat does not answer at /gwat.ipc")
				require.Equal(t, 1, b.calls())
			})
		})
	}
}

// A gate that does not know its era yet holds the calls that show it by themselves.
func TestUnknownEra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{do_: down}
		g := fakeGate(t, View{}, b)
		began := time.Now()
		_, answer := post(t.Context(), g, finalize(1))
		require.Equal(t, 20*time.Second, time.Since(began))
		require.Equal(t, string(absorbedAnswer("1")), answer)
		require.Equal(t, checkpoint.EraHeadSync, g.Calls(0)[0].Era)
	})
}
