package failure

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// ErrRateLimited is HTTP 429 or a JSON-RPC error of that meaning, and the error of a request that was not sent because
// of an earlier 429.
var ErrRateLimited = errors.New("rate limited")

// Bounds of a hold-back: the first one of a server that names no delay, and the
// longest, so that a server cannot silence us for a day.
const (
	minHold = time.Second
	maxHold = time.Minute
)

// HoldBack keeps requests back from a server that limits their rate. Its zero
// value holds nothing. It is safe for concurrent use.
type HoldBack struct {
	mu    sync.Mutex
	until time.Time
	last  time.Duration // the delay of the last 429; 0 after any other answer
}

// Limited notes a 429 at now with the delay that the server named, and returns the
// delay that will be kept: at most a minute, and without a named one a second,
// doubled with each 429 in a row.
func (h *HoldBack) Limited(now time.Time, named time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Before(h.until) {
		return h.until.Sub(now) // a request that was sent before the hold began
	}
	h.last = min(max(named, minHold, 2*h.last), maxHold)
	if named > 0 {
		h.last = min(max(named, minHold), maxHold)
	}
	h.until = now.Add(h.last)
	return h.last
}

// Answered notes any other answer.
func (h *HoldBack) Answered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = 0
}

// Check returns nil if a request may be sent at now, else an error of kind
// RetryLater that is ErrRateLimited and names the time left.
func (h *HoldBack) Check(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if left := h.until.Sub(now); left > 0 {
		return Newf(RetryLater, "%w: not sent; the next request goes out in %s", ErrRateLimited, roundUp(left))
	}
	return nil
}

// RateLimited returns the error of an answer that refuses a request because of their
// number, of kind RetryLater; by is how the server says so.
func RateLimited(by string, wait time.Duration, said string) error {
	return Newf(RetryLater, "%w (%s): no further request for %s%s", ErrRateLimited, by, roundUp(wait), detail(said))
}

// By429 is how a server refuses requests because of their number.
const By429 = "HTTP 429"

func roundUp(d time.Duration) time.Duration { return (d + time.Second - 1).Truncate(time.Second) }

func detail(said string) string {
	if said = Text(said); said == "" {
		return ""
	}
	return fmt.Sprintf(": %s", said)
}

// RetryAfter reads the two forms of a Retry-After header, seconds and an HTTP date
// (RFC 9110, 10.2.3); 0 for any other text and for a time that is past.
func RetryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
