package beaconclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gwatsync/syncd/failure"
)

// Errors of a call, for errors.Is.
var (
	// ErrNotFound: no such block, header or state; HTTP 404 and the 500 that says NotFound: RetryNow.
	ErrNotFound = errors.New("not found")
	// ErrBadRequest: the node refuses the request; HTTP 400 and the 500 that says InvalidArgument: RetryLater.
	ErrBadRequest = errors.New("request refused")
	// ErrStarting: a node that has just started cannot answer for this block or
	// state yet, its database lacks the summaries; HTTP 500, for 2 to 16 s: RetryLater.
	// One that could not save the state of its head answers so until the next head.
	ErrStarting = errors.New("the beacon node lacks this state, as after its start")
	// ErrHTTPStatus is any other HTTP status but 200: RetryLater. An HTTP 429 is
	// also failure.ErrRateLimited, and so is a call held back after one.
	ErrHTTPStatus = errors.New("unexpected HTTP status")
	// ErrWrongEndpoint: what listens there is no beacon REST API: RetryLater.
	ErrWrongEndpoint = errors.New("the URL does not look like a beacon node's REST API")
	// ErrDown: nothing was sent, the node cannot be reached: RetryLater.
	ErrDown = errors.New("node not reachable")
	// ErrLost: sent, and no whole answer came: RetryNow.
	ErrLost = errors.New("no answer")
	// ErrMalformed: an answer that does not decode, lacks fields or contradicts the request: RetryLater.
	ErrMalformed = errors.New("malformed answer")
	// ErrTooLarge: an answer over Config.MaxBody: RetryLater.
	ErrTooLarge = errors.New("answer over the size limit")
)

func malformed(path, format string, args ...any) error {
	return failure.Newf(failure.RetryLater, "GET %s: %w: %w", path, ErrMalformed, failure.Bounded(fmt.Errorf(format, args...)))
}

// statusError reads an answer that is not 200. The node puts gRPC codes into
// the text of a 500, so that text is matched here and nowhere else.
func statusError(path string, status int, body []byte) error {
	var said struct {
		Message *string `json:"message"`
	}
	isJSON := json.Unmarshal(body, &said) == nil && said.Message != nil
	text := string(body)
	if isJSON {
		text = *said.Message
	}
	notFound := strings.Contains(text, "code = NotFound")
	refused := strings.Contains(text, "code = InvalidArgument")
	switch {
	case status == http.StatusInternalServerError && strings.Contains(text, "nil summary returned from the DB"):
		return failure.Newf(failure.RetryLater, "GET %s: %w: %s", path, ErrStarting, failure.Text(text))
	case status == http.StatusNotFound && !isJSON:
		return failure.Newf(failure.RetryLater, "GET %s: %w: it answers 404 to this path: %s", path, ErrWrongEndpoint, failure.Text(text))
	case status == http.StatusNotFound, status == http.StatusInternalServerError && notFound:
		return failure.Newf(failure.RetryNow, "GET %s: %w: %s", path, ErrNotFound, failure.Text(text))
	case status == http.StatusBadRequest, status == http.StatusInternalServerError && refused:
		return failure.Newf(failure.RetryLater, "GET %s: %w: %s", path, ErrBadRequest, failure.Text(text))
	}
	return failure.Newf(failure.RetryLater, "GET %s: %w %d: %s", path, failure.Gateway(status, ErrHTTPStatus), status, failure.Text(text))
}
