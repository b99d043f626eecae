package wire_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(ctx context.Context, w *wire.Wire) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node/path?q=1", nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Transport: w}).Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.Status + ":" + string(b), err
}

func on(t *testing.T, handle http.HandlerFunc, test func(*testing.T, *wire.Wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &wire.Wire{}
		w.Serve(handle)
		test(t, w)
		time.Sleep(time.Minute) // by the fake clock: the handlers come to their end
	})
}

func TestAnAnswerComesAsItIsWritten(t *testing.T) {
	handle := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.RequestURI)
		time.Sleep(time.Minute)
		_, _ = io.WriteString(w, " later")
	}
	on(t, handle, func(t *testing.T, w *wire.Wire) {
		begin := time.Now()
		got, err := get(t.Context(), w)
		require.NoError(t, err)
		require.Equal(t, "I'm a teapot:/path?q=1 later", got)
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

func TestWhatAWireDoesToRequests(t *testing.T) {
	hangs := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	on(t, hangs, func(t *testing.T, w *wire.Wire) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := get(ctx, w)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		w.Set(wire.Stopped)
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = get(ctx, w)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		w.Set(wire.Up)
		time.AfterFunc(time.Second, w.Down)
		begin := time.Now()
		_, err = get(t.Context(), w)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut under way")
		require.Equal(t, time.Second, time.Since(begin))
		_, err = get(t.Context(), w)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
}

func TestACutInMidAnswer(t *testing.T) {
	for name, cut := range map[string]func(*wire.Wire, http.ResponseWriter){
		"by path":    func(w *wire.Wire, _ http.ResponseWriter) { w.Cut(func(p string) bool { return p == "/path" }) },
		"by a panic": func(*wire.Wire, http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"by a deadline": func(_ *wire.Wire, a http.ResponseWriter) {
			_ = http.NewResponseController(a).SetWriteDeadline(time.Unix(1, 0))
		},
	} {
		for _, written := range []string{"", "half"} {
			t.Run(strings.TrimSpace(name+" "+written), func(t *testing.T) {
				var w *wire.Wire
				handle := func(a http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(a, written)
					cut(w, a)
					time.Sleep(time.Second)
					_, _ = io.WriteString(a, "never seen")
				}
				if written == "" {
					inner := handle
					handle = func(a http.ResponseWriter, r *http.Request) { cut(w, a); inner(a, r) }
				}
				on(t, handle, func(t *testing.T, on *wire.Wire) {
					w = on
					got, err := get(t.Context(), w)
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					require.NotContains(t, got, "never")
				})
			})
		}
	}
}

func TestAFrontStandsBeforeTheNode(t *testing.T) {
	on(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "node") }, func(t *testing.T, w *wire.Wire) {
		w.Put(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(a http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(a, "front of ")
				next.ServeHTTP(a, r)
			})
		})
		got, err := get(t.Context(), w)
		require.NoError(t, err)
		require.Equal(t, "OK:front of node", got)
		w.Put(nil)
		got, err = get(t.Context(), w)
		require.NoError(t, err)
		require.Equal(t, "OK:node", got)
	})
}
