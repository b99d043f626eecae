package beaconclient

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
)

// A node that has just started answers so for 2 to 16 s: recorded of a real one.
func TestStartingNodeIsAKindOfItsOwn(t *testing.T) {
	for path, said := range map[string]string{
		"head":     `{"message":"Could not check if block is optimistic: nil summary returned from the DB","code":500}`,
		"finality": `{"message":"Could not check if slot's block is optimistic: could not check if block is optimistic: nil summary returned from the DB","code":500}`,
	} {
		c := serve(t, Config{}, body(http.StatusInternalServerError, said))
		var err error
		if path == "head" {
			_, err = c.Header(t.Context(), Head)
		} else {
			_, err = c.Finality(t.Context(), StateHead)
		}
		require.ErrorIs(t, err, ErrStarting)
		require.ErrorIs(t, err, failure.RetryLater)
		require.NotErrorIs(t, err, ErrHTTPStatus)
		require.ErrorContains(t, err, "nil summary returned from the DB")
	}
	c := serve(t, Config{}, body(http.StatusInternalServerError, `{"message":"internal: the DB is gone","code":500}`))
	_, err := c.Header(t.Context(), Head)
	require.NotErrorIs(t, err, ErrStarting)
	require.ErrorIs(t, err, ErrHTTPStatus)
}

// After a 429 nothing is sent, by no call and no stream, until its pause is over.
func TestRateLimitHoldsEveryCallBack(t *testing.T) {
	var asked atomic.Int32
	c := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many requests", http.StatusTooManyRequests)
	})
	_, err := c.Syncing(t.Context())
	require.ErrorIs(t, err, failure.ErrRateLimited)
	require.ErrorIs(t, err, ErrHTTPStatus)
	require.ErrorIs(t, err, failure.RetryLater)
	require.ErrorContains(t, err, "(HTTP 429): no further request for 30s: too many requests")
	_, err = c.Header(t.Context(), Head)
	require.ErrorIs(t, err, failure.ErrRateLimited)
	require.ErrorIs(t, err, ErrDown, "it was not sent")
	require.ErrorContains(t, err, "the next request goes out in 30s")
	events := make(chan Event)
	c.readStream(t.Context(), events) // ends at once: it is held back as well
	require.EqualValues(t, 1, asked.Load())
}

// A server may bound the streams alone, so that their 429 keeps no call back.
func TestARateLimitOfTheStreamKeepsNoCallBack(t *testing.T) {
	var streams atomic.Int32
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/eth/v1/events" {
			streams.Add(1)
			w.Header().Set("Retry-After", "30")
			http.Error(w, "too many streams", http.StatusTooManyRequests)
			return
		}
		body(http.StatusOK, `{"data":{"version":"v"}}`)(w, r)
	})
	events := make(chan Event)
	for range 3 {
		c.readStream(t.Context(), events)
		_, err := c.Version(t.Context())
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, streams.Load(), "the stream itself waits")
}

func TestARedirectSaysWhereTo(t *testing.T) {
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://node.example"+r.URL.Path, http.StatusMovedPermanently)
	})
	_, err := c.Version(t.Context())
	require.ErrorIs(t, err, ErrHTTPStatus)
	require.ErrorContains(t, err, "unexpected HTTP status 301: it redirects to https://node.example/eth/v1/node/version, and no redirect is followed")
}

// A closed client keeps no connection open.
func TestCloseEndsIdleConnections(t *testing.T) {
	server := httptest.NewUnstartedServer(body(http.StatusOK, `{"data":{"version":"v"}}`))
	var open atomic.Int32
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()
	c, err := New(Config{URL: server.URL})
	require.NoError(t, err)
	_, err = c.Version(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, open.Load(), "kept for the next call")
	c.Close()
	require.Eventually(t, func() bool { return open.Load() == 0 }, 10*time.Second, 5*time.Millisecond)
}

// Without a whole answer there is neither a status nor a body.
func TestNoAnswerHasNoStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    error
	}{
		"limited":   {body(http.StatusTooManyRequests, "too many"), failure.ErrRateLimited},
		"too large": {body(http.StatusOK, "0123456789"), ErrTooLarge},
		"lost":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			status, got, err := serve(t, Config{MaxBody: 8}, tc.handler).Get(t.Context(), "/eth/v1/node/version", nil)
			require.ErrorIs(t, err, tc.want)
			require.Zero(t, status)
			require.Empty(t, got)
		})
	}
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	down, err := New(Config{URL: server.URL})
	require.NoError(t, err)
	defer down.Close()
	status, got, err := down.Get(t.Context(), "/eth/v1/node/version", nil)
	require.ErrorIs(t, err, ErrDown)
	require.Zero(t, status)
	require.Empty(t, got)
}
