package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
)

// guard stands before a node: it notes the tokens it is sent and can refuse.
type guard struct {
	refuse atomic.Bool
	mu     sync.Mutex
	tokens map[string]bool
}

func (g *guard) before(t *testing.T, node string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token != "" {
			_, token, _ = strings.Cut(token, " ")
			g.mu.Lock()
			g.tokens[token] = true
			g.mu.Unlock()
		}
		if g.refuse.Load() {
			http.Error(w, "what came was "+r.Header.Get("Authorization")+" "+r.URL.String(), http.StatusUnauthorized)
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, node+r.URL.Path, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		req.Header = r.Header.Clone()
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// No secret stands in any output: not in the log at its most talkative, not in
// what the API tells, while nodes answer, refuse and are gone.
func TestNoSecretIsToldAnywhere(t *testing.T) {
	const gwatSecret = "5ec2e7a15ec2e7a15ec2e7a15ec2e7a15ec2e7a15ec2e7a15ec2e7a15ec2e7a1"
	const apiSecret = "ab1dab1dab1dab1dab1dab1dab1dab1dab1dab1dab1dab1dab1dab1dab1dab1d"
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			f := startNodes(t)
			g := &guard{tokens: map[string]bool{}}
			with := func(node, query string) string {
				u, err := url.Parse(g.before(t, node))
				require.NoError(t, err)
				u.User, u.RawQuery = url.UserPassword("operator", "hunter2"), query
				return u.String()
			}
			api, stderr, stop := startRun(t, with(f.gwat, "key=quer1secret"), with(f.beacon, ""), "--log.level", "debug", "--log.format", format,
				"--gwat.jwt-secret", writeFile(t, "gwat.hex", gwatSecret), "--api.jwt-secret", writeFile(t, "api.hex", apiSecret))
			secrets := []string{"hunter2", "quer1secret", gwatSecret, gwatSecret[:16], apiSecret, apiSecret[:16]}

			told := ""
			ask := func(token, method string) string {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`))
				require.NoError(t, err)
				req.Header.Set("Content-Type", "application/json")
				if token != "" {
					req.Header.Set("Authorization", "Bearer "+token)
					secrets = append(secrets, token)
				}
				res, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				defer res.Body.Close()
				var body strings.Builder
				_, err = io.Copy(&body, res.Body)
				require.NoError(t, err)
				told += body.String()
				return body.String()
			}
			good, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": time.Now().Unix()}).SignedString([]byte("another secret of thirty-two byte"))
			require.NoError(t, err)
			for _, method := range []string{"syncd_status", "syncd_config", "syncd_findings", "syncd_history", "syncd_pause", "syncd_resume", "syncd_nothing"} {
				ask("", method)
				ask("b3arer-of-nothing", method)
				ask(good, method)
			}
			require.Eventually(t, func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.tokens) > 0 }, 10*time.Second, 10*time.Millisecond)
			g.refuse.Store(true)
			require.Eventually(t, func() bool { return strings.Contains(ask("", "syncd_findings"), "gwat_auth") }, 20*time.Second, 50*time.Millisecond)
			for _, path := range []string{"/readyz?verbose", "/metrics", "/livez"} {
				req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, api+path, nil)
				require.NoError(t, err)
				res, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				var body strings.Builder
				_, err = io.Copy(&body, res.Body)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				told += body.String()
			}
			for _, args := range [][]string{{"status"}, {"status", "--output", "json"}, {"doctor"}} {
				out := syncd(t, nil, append(args, "--api", api)...)
				told += out.stdout + out.stderr
			}
			require.Equal(t, exit.OK, stop())

			g.mu.Lock()
			for token := range g.tokens {
				secrets = append(secrets, token)
			}
			g.mu.Unlock()
			require.Contains(t, stderr.String(), "syncd starts")
			for _, secret := range secrets {
				require.NotContains(t, stderr.String(), secret)
				require.NotContains(t, told, secret)
			}
		})
	}
}
