package nodehttp

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// maxTokenAge is how far the time of a token may be from now, in both directions.
const maxTokenAge = time.Minute

// Sign returns what adds a token of now to the headers of a request.
func Sign(secret []byte) func(http.Header) error {
	return func(header http.Header) error {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": time.Now().Unix()}).SignedString(secret)
		if err != nil {
			return fmt.Errorf("sign a token: %w", err)
		}
		header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

// Tokens passes on the requests that have a token of the secret; all if it is empty.
func Tokens(next http.Handler, secret []byte) http.Handler {
	if len(secret) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := checkToken(r.Header.Get("Authorization"), secret); refusal != "" {
			http.Error(w, refusal, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checkToken returns why a request is refused; "" if it is not.
func checkToken(authorization string, secret []byte) string {
	const scheme = "bearer "
	if len(authorization) <= len(scheme) || !strings.EqualFold(authorization[:len(scheme)], scheme) {
		return "missing token"
	}
	// The library allows no drift between two clocks: the times are checked below.
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(authorization[len(scheme):], &claims, func(*jwt.Token) (any, error) { return secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation())
	now := time.Now()
	switch {
	case err != nil:
		return err.Error()
	case !claims.VerifyExpiresAt(now, false):
		return "token is expired"
	case claims.IssuedAt == nil:
		return "missing issued-at"
	case now.Sub(claims.IssuedAt.Time) > maxTokenAge:
		return "stale token"
	case claims.IssuedAt.Sub(now) > maxTokenAge:
		return "future token"
	}
	return ""
}
