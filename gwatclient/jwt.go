package gwatclient

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient/jsonrpc"
)

const (
	jwtSecretLen   = 32
	maxSecretBytes = 1024 // far over 2+64 and white space; keeps a wrong path from being read whole
)

// errNotWritten: the secret file has no content yet, or is being replaced.
var errNotWritten = errors.New("the file is empty")

// LoadJWTSecret reads a file of 64 hex digits, with or without 0x, white space
// around them ignored. Errors are of kind NeedsHuman and name the path, never
// what the file holds.
func LoadJWTSecret(path string) ([]byte, error) {
	key, err := readSecret(path)
	return key, failure.WithKind(failure.NeedsHuman, err)
}

// readSecret returns errors that are fs.ErrNotExist or errNotWritten if a later
// read may succeed by itself, and of kind NeedsHuman otherwise.
func readSecret(path string) ([]byte, error) {
	if err := checkSecretPath(path); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("JWT secret: %w", err)
	}
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
	switch {
	case len(text) > maxSecretBytes:
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret %s: wrong length: over %d bytes, want %d hex digits", path, maxSecretBytes, 2*jwtSecretLen)
	case digits == "":
		return nil, fmt.Errorf("JWT secret %s: wrong length: %w, want %d hex digits", path, errNotWritten, 2*jwtSecretLen)
	case !isHex(digits):
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret %s: not hex: want %d hex digits", path, 2*jwtSecretLen)
	case len(digits) != 2*jwtSecretLen:
		return nil, failure.Newf(failure.NeedsHuman, "JWT secret %s: wrong length: %d hex digits, want %d", path, len(digits), 2*jwtSecretLen)
	}
	return hex.DecodeString(digits)
}

// checkSecretPath refuses a secret in place of its path, which errors would repeat.
func checkSecretPath(path string) error {
	if err := endpoint.CheckSecretPath(path); err != nil {
		return failure.Newf(failure.NeedsHuman, "JWT secret %w", err)
	}
	return nil
}

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdefABCDEF") == "" }

// secret is the JWT secret of an endpoint: a fixed key, or that of a file. The file
// may not be there yet, may be replaced at any time, and may be caught half written.
// A key serves for as long as the node takes it: after a change of the file the node
// may run with the old one until its next start.
type secret struct {
	path string // "": key is fixed

	mu  sync.Mutex
	key []byte // the last good one; nil before the first
}

// replaced reads the file again, and reports whether it holds another secret. Its
// error says why the file could not be read.
func (s *secret) replaced() (bool, error) {
	if s == nil || s.path == "" {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key, err := readSecret(s.path)
	if err != nil || bytes.Equal(key, s.key) {
		return false, err
	}
	s.key = key
	return true, nil
}

func (s *secret) current() (key []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == nil {
		if s.key, err = readSecret(s.path); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSecret, err)
		}
	}
	return s.key, nil
}

// authorize adds a token with the time of now to a request: nodes refuse one whose
// iat is more than a minute off.
func (s *secret) authorize(header http.Header) error {
	key, err := s.current()
	if err != nil {
		return err
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": time.Now().Unix()}).SignedString(key)
	if err != nil {
		return err
	}
	header.Set("Authorization", "Bearer "+token)
	return nil
}

// refusedToken reports whether the node refused a call before it looked at it.
func refusedToken(err error) bool {
	var status *jsonrpc.StatusError
	return errors.As(err, &status) && (status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden)
}
