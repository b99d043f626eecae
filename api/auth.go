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

// errNotAllowed answers a call that changes something, from an unauthenticated caller.
var errNotAllowed = &rpcError{
	code: CodeNotAllowed, kind: "needs_human",
	msg: "this call changes something: make it over the socket of --api.socket, or with a token (HS256, made from the secret of --api.jwt-secret)",
}

// authorized reports whether a request carries a good token: false if it carries
// none, an error if it carries one that does not hold. Credentials of another
// scheme are for a proxy in front, which passes them on, and are no token.
func (s *Server) authorized(r *http.Request) (bool, error) {
	var tokens []string
	for _, value := range r.Header.Values("Authorization") {
		scheme, rest := strings.TrimSpace(value), ""
		if i := strings.IndexAny(scheme, " \t"); i >= 0 {
			scheme, rest = scheme[:i], strings.TrimSpace(scheme[i:])
		}
		if strings.EqualFold(scheme, "Bearer") { // the scheme has no case (RFC 9110, 11.1)
			tokens = append(tokens, rest)
		}
	}
	secret := s.secret()
	switch {
	case len(tokens) == 0:
		return false, nil
	case len(tokens) > 1 || tokens[0] == "":
		return false, errors.New("want one Authorization header, of the form: Bearer TOKEN")
	case secret == nil:
		return false, errors.New("syncd has no secret to check a token with: set --api.jwt-secret")
	}
	return true, checkToken(tokens[0], secret, time.Now())
}

// secret is what tokens are checked with now; nil if none is taken.
func (s *Server) secret() []byte {
	if s.cfg.Secret != nil {
		return s.cfg.Secret()
	}
	return s.cfg.JWTSecret
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
