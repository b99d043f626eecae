package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// tokenWindow is how far the time of issue of a token may be from now, as in
// the engine API.
const tokenWindow = 60 * time.Second

// errNotAllowed is the answer to a call that changes something, from whoever did
// not show that he may.
var errNotAllowed = &rpcError{
	code: CodeNotAllowed, kind: "needs_human",
	msg: "this call changes something: make it over the socket of --api.socket, or with a token (HS256, made from the secret of --api.jwt-secret)",
}

// authorized tells whether a request carries a good token: false if it carries
// none, an error if it carries one that does not hold.
func (s *Server) authorized(r *http.Request) (bool, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return false, nil
	}
	raw, ok := strings.CutPrefix(values[0], "Bearer ")
	switch {
	case len(values) > 1 || !ok:
		return false, errors.New("want one Authorization header, of the form: Bearer TOKEN")
	case s.cfg.JWTSecret == nil:
		return false, errors.New("syncd has no secret to check a token with: set --api.jwt-secret")
	}
	return true, checkToken(raw, s.cfg.JWTSecret, time.Now())
}

// checkToken takes HS256 only, and wants the time of issue, which bounds how
// long a token that leaked can be used.
func checkToken(raw string, secret []byte, now time.Time) error {
	var claims jwt.RegisteredClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithoutClaimsValidation())
	if _, err := parser.ParseWithClaims(raw, &claims, func(*jwt.Token) (any, error) { return secret, nil }); err != nil {
		return fmt.Errorf("the token does not hold: %w", err)
	}
	if claims.IssuedAt == nil {
		return errors.New("the token has no iat (time of issue)")
	}
	if age := now.Sub(claims.IssuedAt.Time); age > tokenWindow || age < -tokenWindow {
		return fmt.Errorf("the token was issued %s ago, want at most %s either way: make a fresh one for each request, and compare the clocks",
			age.Round(time.Second), tokenWindow)
	}
	if !claims.VerifyExpiresAt(now, false) {
		return fmt.Errorf("the token expired at %s", claims.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return nil
}
