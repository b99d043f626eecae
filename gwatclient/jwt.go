package gwatclient

import (
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v4"

	"github.com/gwatsync/syncd/failure"
)

const (
	jwtSecretLen   = 32
	maxSecretBytes = 1024 // far over 2+64 and white space; keeps a wrong path from being read whole
)

// LoadJWTSecret reads a file of 64 hex digits, with or without 0x, white space
// around them ignored. Errors are of kind NeedsHuman and name the path, never
// what the file holds.
func LoadJWTSecret(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecretBytes+1))
	if err != nil {
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret: %w", err)
	}
	digits := strings.TrimSpace(string(text))
	digits = strings.TrimPrefix(strings.TrimPrefix(digits, "0x"), "0X")
	if len(text) > maxSecretBytes {
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret %s: wrong length: over %d bytes, want %d hex digits", path, maxSecretBytes, 2*jwtSecretLen)
	}
	if strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret %s: not hex: want %d hex digits", path, 2*jwtSecretLen)
	}
	secret, err := hex.DecodeString(digits)
	if err != nil || len(secret) != jwtSecretLen {
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret %s: wrong length: %d hex digits, want %d", path, len(digits), 2*jwtSecretLen)
	}
	return secret, nil
}

// jwtAuth signs a token with the time of now for each request: nodes refuse
// one whose iat is more than a minute off.
func jwtAuth(secret []byte) rpc.HTTPAuth {
	return func(header http.Header) error {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": time.Now().Unix()}).SignedString(secret)
		if err != nil {
			return &wireError{notSent, err}
		}
		header.Set("Authorization", "Bearer "+token)
		return nil
	}
}
