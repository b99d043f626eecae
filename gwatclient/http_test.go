package gwatclient

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// cut takes the request, writes raw to the connection and closes it.
func cut(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, raw)
			conn.Close()
		}
	}
}

func endless(chunk string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	}
}

// hang answers nothing until the client is gone.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestHTTPFaults(t *testing.T) {
	const ok = `{"jsonrpc":"2.0","id":1,"result":true}`
	tests := []struct {
		name     string
		handler  http.HandlerFunc
		sentinel error
		kind     error
		says     string
		possibly bool
	}{
		{"bad gateway", status(502, "<html>bad gateway</html>"), ErrHTTPStatus, failure.RetryLater, "502", true},
		{"unavailable", status(503, ""), ErrHTTPStatus, failure.RetryLater, "503", true},
		{"too large for the node", status(413, "content length too large"), ErrHTTPStatus, failure.RetryLater, "413", true},
		{"token", status(401, "signature is invalid"), ErrUnauthorized, failure.NeedsHuman, "JWT secret", false},
		{"token, older servers", status(403, "missing token"), ErrUnauthorized, failure.NeedsHuman, "JWT secret", false},
		{"host", status(403, "invalid host specified"), ErrUnauthorized, failure.NeedsHuman, "host name", false},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, ErrHTTPStatus, failure.RetryLater, "307 Temporary Redirect: it redirects to /elsewhere, and no redirect is followed", true},
		{"oversized", status(200, `"`+strings.Repeat("x", 5000)+`"`), ErrMalformed, failure.RetryLater, "size limit", true},
		{"oversized error page", status(500, strings.Repeat("x", 5000)), ErrMalformed, failure.RetryLater, "size limit", true},
		{"endless", endless(strings.Repeat("[", 1000)), ErrMalformed, failure.RetryLater, "size limit", true},
		{"reset before the answer", cut(""), ErrLost, failure.RetryNow, "EOF", true},
		{"half an answer", cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + ok[:20]), ErrLost, failure.RetryNow, "unexpected EOF", true},
		{"cut text, complete body", status(200, ok[:20]), ErrMalformed, failure.RetryLater, "", true},
		{"a web page", status(200, "<html>"), ErrMalformed, failure.RetryLater, "invalid character", true},
		{"empty", status(200, ""), ErrMalformed, failure.RetryLater, "EOF", true},
		{"list for one", status(200, "["+ok+"]"), ErrMalformed, failure.RetryLater, "", true},
		{"number", status(200, "5"), ErrMalformed, failure.RetryLater, "", true},
		{"no result", status(200, `{"jsonrpc":"2.0","id":1}`), ErrMalformed, failure.RetryLater, "no result", true},
		{"null for a bool", status(200, `{"jsonrpc":"2.0","id":1,"result":null}`), ErrMalformed, failure.RetryLater, "null", true},
		{"text for a bool", status(200, `{"jsonrpc":"2.0","id":1,"result":"true"}`), ErrMalformed, failure.RetryLater, `"true"`, true},
		{"error null", status(200, `{"jsonrpc":"2.0","id":1,"result":true,"error":null}`), ErrMalformed, failure.RetryLater, "without a code", true},
		{"deep", status(200, strings.Repeat("[", 900)), ErrMalformed, failure.RetryLater, "", true},
		{"node's own timeout", status(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"request timed out"}}`), ErrLost, failure.RetryNow, "request timed out", true},
		{"unknown text", status(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"some\nnew text"}}`), ErrRPC, failure.RetryLater, "some new text", false},
		{"state not found", status(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"checkpoint state not found"}}`), ErrStateNotFound, failure.RetryLater, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := serveHTTP(t, Config{MaxBody: 1000}, tt.handler)
			_, err := client.Changes(permit).HeadSyncReady(t.Context(), checkpoint.ConsensusInfo{Slot: 5})
			require.ErrorIs(t, err, tt.sentinel)
			require.Equal(t, tt.kind, failure.Kind(err), "%v", err)
			require.ErrorContains(t, err, "dag_headSyncReady")
			require.ErrorContains(t, err, tt.says)
			require.Equal(t, tt.possibly, PossiblyDone(err))
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var reached atomic.Bool
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer target.Close()
	client := serveHTTP(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusPermanentRedirect)
	})
	_, err := client.ChainID(t.Context())
	require.ErrorIs(t, err, ErrHTTPStatus)
	require.False(t, reached.Load())
}

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func TestDownIsNotLost(t *testing.T) {
	port := closedPort(t)
	for name, endpoint := range map[string]string{
		"refused http": "http://" + port,
		"refused ws":   "ws://" + port,
		"no ipc file":  t.TempDir() + "/none.ipc",
		"no such host": "http://nowhere.invalid:1",
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, Config{Endpoint: endpoint})
			_, err := client.Changes(permit).HeadSync(t.Context(), nil)
			require.ErrorIs(t, err, ErrDown)
			require.NotErrorIs(t, err, ErrLost)
			require.Equal(t, failure.RetryLater, failure.Kind(err))
			require.False(t, PossiblyDone(err))
		})
	}
}

func TestReadTimesOutAndChangeDoesNot(t *testing.T) {
	client := serveHTTP(t, Config{Timeout: 50 * time.Millisecond}, hang)
	_, err := client.Syncing(t.Context())
	require.ErrorIs(t, err, ErrLost)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = client.Changes(permit).HeadSyncReady(ctx, checkpoint.ConsensusInfo{})
	require.ErrorIs(t, err, ErrLost)
	require.GreaterOrEqual(t, time.Since(start), 250*time.Millisecond)
}

func TestCancelled(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			got := make(chan struct{}, 8)
			block := make(chan struct{})
			client := serve(t, transport, Config{}, func(request) []byte {
				got <- struct{}{}
				<-block
				return nil
			})
			defer close(block)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-got; cancel() }()
			_, err := client.Changes(permit).HeadSync(ctx, nil)
			require.ErrorIs(t, err, context.Canceled)
			require.True(t, failure.Canceled(err))
			require.True(t, PossiblyDone(err), "it was sent")

			_, err = client.Changes(permit).HeadSync(ctx, nil)
			require.ErrorIs(t, err, context.Canceled)
			require.False(t, PossiblyDone(err), "it was not sent")
			_, err = client.BlocksByNumber(ctx, 1, 2)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

func TestCloseEndsCalls(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			got := make(chan struct{}, 8)
			block := make(chan struct{})
			defer close(block)
			client := serve(t, transport, Config{}, func(request) []byte {
				got <- struct{}{}
				<-block
				return nil
			})
			go func() { <-got; client.Close() }()
			_, err := client.Changes(permit).HeadSync(t.Context(), nil)
			require.ErrorIs(t, err, ErrLost)
			_, err = client.ChainID(t.Context())
			require.ErrorIs(t, err, ErrDown)
			client.Close() // again is harmless
		})
	}
}

// checkToken returns the token's age problem, if any.
func checkToken(header http.Header, secret []byte) error {
	text, found := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	if !found {
		return errors.New("missing token")
	}
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(text, &claims, func(*jwt.Token) (any, error) { return secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation())
	if err != nil {
		return err
	}
	if age := time.Since(claims.IssuedAt.Time); age > 5*time.Second || age < -5*time.Second {
		return errors.New("stale token")
	}
	return nil
}

func TestJWT(t *testing.T) {
	secret := []byte(strings.Repeat("s", 32))
	for _, scheme := range []string{"http", "ws"} {
		t.Run(scheme, func(t *testing.T) {
			var requests atomic.Int32
			inner := scriptHandler(result("true"))
			handler := func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				if err := checkToken(r.Header, secret); err != nil {
					http.Error(w, err.Error(), http.StatusUnauthorized)
					return
				}
				inner(w, r)
			}
			client := serveHTTP(t, Config{Endpoint: scheme, JWTSecret: secret}, handler)
			for range 3 {
				ready, err := client.Changes(permit).HeadSyncReady(t.Context(), checkpoint.ConsensusInfo{})
				require.NoError(t, err)
				require.True(t, ready)
			}
			if scheme == "http" {
				require.EqualValues(t, 3, requests.Load())
			} else {
				require.EqualValues(t, 1, requests.Load(), "one handshake")
			}
			for name, wrong := range map[string][]byte{"none": nil, "another": []byte(strings.Repeat("x", 32))} {
				client := serveHTTP(t, Config{Endpoint: scheme, JWTSecret: wrong}, handler)
				_, err := client.Changes(permit).HeadSyncReady(t.Context(), checkpoint.ConsensusInfo{})
				require.ErrorIs(t, err, ErrUnauthorized, name)
				require.ErrorContains(t, err, "JWT")
				require.NotErrorIs(t, err, ErrLost)
			}
		})
	}
}
