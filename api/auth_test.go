package api

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v4"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

var changing = []string{"syncd_pause", "syncd_resume", "syncd_resync", "syncd_heal"}

func TestTokens(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) jwt.MapClaims { return jwt.MapClaims{"iat": now.Add(d).Unix()} }
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		header []string
		want   string // "" if it is taken
	}{
		"good":           {[]string{"Bearer " + token(t, jwt.SigningMethodHS256, secret, at(0))}, ""},
		"a minute old":   {[]string{"Bearer " + token(t, jwt.SigningMethodHS256, secret, at(-55*time.Second))}, ""},
		"clock ahead":    {[]string{"Bearer " + token(t, jwt.SigningMethodHS256, secret, at(55*time.Second))}, ""},
		"other claims":   {[]string{"Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"iat": now.Unix(), "id": "page", "exp": now.Add(time.Minute).Unix()})}, ""},
		"old":            {[]string{"Bearer " + token(t, jwt.SigningMethodHS256, secret, at(-65*time.Second))}, "was issued 1m"},
		"of the future":  {[]string{"Bearer " + token(t, jwt.SigningMethodHS256, secret, at(70*time.Second))}, "was issued -1m"},
		"expired":        {[]string{"Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(-time.Second).Unix()})}, "expired at"},
		"no iat":         {[]string{"Bearer " + token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{})}, "no iat"},
		"other secret":   {[]string{"Bearer " + token(t, jwt.SigningMethodHS256, []byte("another"), at(0))}, "signature is invalid"},
		"alg none":       {[]string{"Bearer " + token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, at(0))}, "signing method none is invalid"},
		"HS512":          {[]string{"Bearer " + token(t, jwt.SigningMethodHS512, secret, at(0))}, "signing method HS512 is invalid"},
		"RS256":          {[]string{"Bearer " + token(t, jwt.SigningMethodRS256, rsaKey, at(0))}, "signing method RS256 is invalid"},
		"no token":       {[]string{"Bearer "}, "want one Authorization header"},
		"rubbish":        {[]string{"Bearer a.b.c"}, "does not hold"},
		"small letters":  {[]string{"bearer " + goodToken(t)}, ""},
		"capitals":       {[]string{"BEARER " + goodToken(t)}, ""},
		"blanks":         {[]string{"Bearer   " + goodToken(t) + "  "}, ""},
		"a tab":          {[]string{"Bearer\t" + goodToken(t)}, ""},
		"beside a proxy": {[]string{"Basic dXNlcjpwYXNz", "Bearer " + goodToken(t)}, ""},
		"two":            {[]string{"Bearer " + goodToken(t), "Bearer " + goodToken(t)}, "want one Authorization header"},
		"signature cut":  {[]string{"Bearer " + goodToken(t)[:60]}, "does not hold"},
		"scheme alone":   {[]string{"bearer"}, "want one Authorization header"},
	} {
		t.Run(name, func(t *testing.T) {
			var orders atomic.Int32
			src := &fakePair{order: func(context.Context, string) error { orders.Add(1); return nil }}
			addr := start(t, src, nil)
			header := http.Header{"Authorization": c.header}
			code, body, answer := ask(t, http.MethodPost, "http://"+addr, `{"jsonrpc":"2.0","id":1,"method":"syncd_resume"}`, func(r *http.Request) {
				r.Header["Authorization"] = c.header
			})
			ws, res, err := websocket.DefaultDialer.Dial("ws://"+addr, header)
			if c.want == "" {
				require.Equal(t, http.StatusOK, code)
				require.Contains(t, body, `"result":true`)
				require.NoError(t, err)
				require.NoError(t, ws.Close())
				require.EqualValues(t, 1, orders.Load())
				return
			}
			require.Equal(t, http.StatusUnauthorized, code)
			require.Equal(t, "Bearer", answer.Get("WWW-Authenticate"))
			require.Contains(t, body, `"code":-32014`)
			require.Contains(t, body, c.want)
			require.NotContains(t, body, string(secret))
			require.Error(t, err)
			require.Equal(t, http.StatusUnauthorized, res.StatusCode)
			require.Zero(t, orders.Load(), "nothing was ordered")
		})
	}
}

// Without a token everything can be read and nothing changed, in whatever form
// the call comes.
func TestWithoutATokenNothingIsChanged(t *testing.T) {
	src := &fakePair{order: func(_ context.Context, what string) error { t.Error("ordered: " + what); return nil }}
	src.snap.Store(&status.Snapshot{Stage: "working"})
	for _, key := range [][]byte{secret, nil} {
		addr := start(t, src, func(c *Config) { c.JWTSecret = key })
		for _, scheme := range []string{"http://", "ws://"} {
			c, err := rpc.DialContext(t.Context(), scheme+addr)
			require.NoError(t, err)
			require.NoError(t, c.CallContext(t.Context(), nil, "syncd_status"))
			batch := make([]rpc.BatchElem, len(changing))
			for i, method := range changing {
				err := c.CallContext(t.Context(), nil, method)
				requireCode(t, err, CodeNotAllowed, "needs_human")
				require.ErrorContains(t, err, "--api.socket")
				batch[i] = rpc.BatchElem{Method: method, Result: new(bool)}
			}
			require.NoError(t, c.BatchCallContext(t.Context(), batch))
			for _, e := range batch {
				requireCode(t, e.Error, CodeNotAllowed, "needs_human")
			}
			c.Close()
		}
		code, body, _ := ask(t, http.MethodPost, "http://"+addr, `{"jsonrpc":"2.0","method":"syncd_resume"}`, nil)
		require.Equal(t, http.StatusOK, code)
		require.Empty(t, strings.TrimSpace(body), "a notification has no answer")
	}
}

func TestATokenNeedsASecret(t *testing.T) {
	addr := start(t, &fakePair{}, func(c *Config) { c.JWTSecret = nil })
	code, body, _ := ask(t, http.MethodPost, "http://"+addr, `{"jsonrpc":"2.0","id":1,"method":"syncd_resume"}`, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+token(t, jwt.SigningMethodHS256, []byte{}, jwt.MapClaims{"iat": time.Now().Unix()}))
	})
	require.Equal(t, http.StatusUnauthorized, code)
	require.Contains(t, body, "set --api.jwt-secret")
}

// Public report 17 (401 on 677a403): credentials of another scheme are a proxy's
// and no token. Reads are served, what changes something is refused as without one.
func TestCredentialsOfAProxyAreNoToken(t *testing.T) {
	src := &fakePair{order: func(_ context.Context, what string) error { t.Error("ordered: " + what); return nil }}
	src.snap.Store(&status.Snapshot{Stage: "working"})
	addr := start(t, src, nil)
	for _, header := range [][]string{
		{"Basic dXNlcjpwYXNz"}, {"Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"}, {"basic dXNlcjpwYXNz"}, {""}, {" "}, {"", ""},
		{"Digest username=\"a\""}, {"Negotiate abc="}, {"dXNlcjpwYXNz"}, {"Bearer" + goodToken(t)}, {"NotBearer " + goodToken(t)},
	} {
		with := func(r *http.Request) { r.Header["Authorization"] = header }
		code, body, _ := ask(t, http.MethodPost, "http://"+addr, `{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`, with)
		require.Equal(t, http.StatusOK, code, header)
		require.Contains(t, body, `"stage":"working"`, header)
		code, body, _ = ask(t, http.MethodPost, "http://"+addr, `{"jsonrpc":"2.0","id":1,"method":"syncd_resume"}`, with)
		require.Equal(t, http.StatusOK, code, header)
		require.Contains(t, body, `"code":-32014`, header)
		require.Contains(t, body, "--api.socket", header)
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr, http.Header{"Authorization": header})
		require.NoError(t, err, header)
		require.NoError(t, ws.Close())
	}
}

// A secret that changes while syncd runs is taken with the next token.
func TestTheSecretMayChange(t *testing.T) {
	var now atomic.Pointer[[]byte]
	src := &fakePair{order: func(context.Context, string) error { return nil }}
	addr := start(t, src, func(c *Config) { c.JWTSecret, c.Secret = nil, func() []byte { return *now.Load() } })
	resume := func() int {
		code, _, _ := ask(t, http.MethodPost, "http://"+addr, `{"jsonrpc":"2.0","id":1,"method":"syncd_resume"}`, func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+goodToken(t))
		})
		return code
	}
	other := []byte("another secret of thirty-two byt")
	now.Store(&other)
	require.Equal(t, http.StatusUnauthorized, resume())
	now.Store(&secret)
	require.Equal(t, http.StatusOK, resume())
}
