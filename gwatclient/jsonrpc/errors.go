package jsonrpc

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gwatsync/syncd/failure"
)

// Fate says how far a call came that has no readable answer.
type Fate int

const (
	NotSent    Fate = iota // the node has nothing of it
	Lost                   // sent, at least in part; no answer came
	Unreadable             // an answer came that is too large or no JSON-RPC answer to this call
)

// TransportError is the error of a call that has no readable answer.
type TransportError struct {
	Fate Fate
	Err  error
}

func (e *TransportError) Error() string { return e.Err.Error() }
func (e *TransportError) Unwrap() error { return e.Err }

// StatusError is an HTTP status other than 2xx, also of a WebSocket handshake.
type StatusError struct {
	Code       int
	Status     string // "502 Bad Gateway"
	Header     http.Header
	Body       []byte // cut to 1024 bytes for a WebSocket handshake
	RetryAfter time.Duration
}

func (e *StatusError) Error() string { return e.Status }

// ofRequest reports whether the status is about the request itself, not about who
// sent it or how often, nor a proxy's.
func (e *StatusError) ofRequest() bool {
	return e.Code/100 == 4 && e.Code != http.StatusUnauthorized && e.Code != http.StatusForbidden && e.Code != http.StatusTooManyRequests
}

// Error is the error object of an answer.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Batch   bool   `json:"-"` // it answers a batch as a whole
}

func (e *Error) Error() string { return e.Message }

// Codes by which a provider in front of a node refuses a call because of their number, with
// HTTP status 200 (EIP-1474, and the status itself).
const (
	codeLimitExceeded = -32005
	codeTooMany       = http.StatusTooManyRequests
)

// ofTheRate tells a limit on the number of calls from one on the size of an answer, for
// which providers use the same code.
var ofTheRate = regexp.MustCompile(`(?i)\brate\b|\brequests?\b|\bquota\b|^limit exceeded`)

// Limits reports whether the call was refused because of the number of calls.
func (e *Error) Limits() bool {
	return e.Code == codeTooMany || e.Code == codeLimitExceeded && ofTheRate.MatchString(strings.TrimSpace(e.Message))
}

var (
	// ErrTooLarge is the cause of an Unreadable answer over the size limit.
	ErrTooLarge = errors.New("answer over the size limit")
	errClosed   = errors.New("client is closed")
	errHeader   = errors.New("handshake over the size limit")
	errNoResult = errors.New("answer has no result")
)

func notSent(err error) error { return &TransportError{NotSent, err} }

func lost(err error) error { return &TransportError{Lost, err} }

func unreadable(err error) error { return &TransportError{Unreadable, err} }

func tooLarge(limit int64) error { return unreadable(fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)) }

// statusError returns nil for 2xx.
func statusError(resp *http.Response, body []byte) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &StatusError{resp.StatusCode, resp.Status, resp.Header, body, failure.RetryAfter(resp.Header.Get("Retry-After"), time.Now())}
}
