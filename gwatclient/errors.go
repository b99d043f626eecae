package gwatclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient/jsonrpc"
)

// What gwat answered, word for word, as recorded; for errors.Is.
var (
	ErrLocked        = errors.New("procedure is locked")        // RetryLater: a sync runs or the head lock is held
	ErrNotReady      = errors.New("not ready")                  // Abort: headSync without a live ready
	ErrBadParams     = errors.New("bad params")                 // Abort
	ErrUnknownSpine  = errors.New("unknown spine hash")         // RetryLater
	ErrNotFinalized  = errors.New("checkpoint not finalized")   // RetryLater
	ErrBadNumber     = errors.New("checkpoint bad number")      // Abort: finalized, but no spine
	ErrStateNotFound = errors.New("checkpoint state not found") // RetryLater
	// ErrSpineNotFound: gwat's DAG sync is not done: RetryLater.
	ErrSpineNotFound = errors.New("spine not found")
	// ErrSynchronization is result.error "synchronization": RetryLater.
	ErrSynchronization = errors.New("synchronization")
	ErrInvalidBase     = errors.New("invalid base spine")               // Abort: unknown or not final
	ErrNoPeers         = errors.New("no peers to keep download active") // RetryLater
	ErrBusy            = errors.New("busy")                             // RetryLater
)

// The other errors of calls; for errors.Is.
var (
	// ErrResult is any other text in result.error: RetryLater.
	ErrResult = errors.New("error in the result")
	// ErrMethod (-32601): the endpoint does not serve the method: NeedsHuman.
	ErrMethod = errors.New("method not served by the endpoint (is its API enabled there, and is it a gwat of this era?)")
	// ErrInvalidParams (-32602): gwat cannot read the parameters: Abort.
	ErrInvalidParams = errors.New("parameters refused")
	// ErrRPC is any other JSON-RPC error, a crash of the handler included: RetryLater.
	ErrRPC = errors.New("JSON-RPC error")
	// ErrUnauthorized is HTTP 401 or 403: NeedsHuman.
	ErrUnauthorized = errors.New("not authorized")
	// ErrSecret: the JWT secret file, named in the text, is missing or empty (RetryLater) or
	// holds no secret (NeedsHuman). Nothing was sent; it is also ErrUnauthorized and ErrDown.
	ErrSecret = errors.New("no JWT secret")
	// ErrBatchRefused: the endpoint answers a batch by a single error: NeedsHuman; also ErrMalformed.
	ErrBatchRefused = errors.New("the endpoint refuses batches")
	// ErrHTTPStatus is any other HTTP status but success, such as a proxy's: RetryLater.
	ErrHTTPStatus = errors.New("unexpected HTTP status")
	// ErrDown: nothing was sent, the node cannot be reached: RetryLater.
	ErrDown = errors.New("node not reachable")
	// ErrLost: sent, and no answer came; a state-changing call is possibly done: RetryNow.
	ErrLost = errors.New("no answer")
	// ErrMalformed: an answer that is too large, does not decode or lacks fields: RetryLater.
	ErrMalformed = errors.New("malformed answer")
)

// PossiblyDone reports whether gwat may have carried out a state-changing call that
// returned err, or may still do so: no answer came, an unreadable one, or one of a
// proxy in between.
func PossiblyDone(err error) bool {
	return errors.Is(err, ErrLost) || errors.Is(err, ErrMalformed) || errors.Is(err, ErrHTTPStatus)
}

// kindByText holds the kind of each recorded text; the text is the sentinel's own.
var kindByText = []struct{ sentinel, kind error }{
	{ErrLocked, failure.RetryLater},
	{ErrNotReady, failure.Abort},
	{ErrBadParams, failure.Abort},
	{ErrUnknownSpine, failure.RetryLater},
	{ErrNotFinalized, failure.RetryLater},
	{ErrBadNumber, failure.Abort},
	{ErrStateNotFound, failure.RetryLater},
	{ErrSpineNotFound, failure.RetryLater},
	{ErrSynchronization, failure.RetryLater},
	{ErrInvalidBase, failure.Abort},
	{ErrNoPeers, failure.RetryLater},
	{ErrBusy, failure.RetryLater},
}

// Codes of JSON-RPC 2.0, and the one that go-ethereum's server returns when its
// own write timeout ends a call that goes on inside.
const (
	codeInvalidRequest = -32600
	codeMethodNotFound = -32601
	codeInvalidParams  = -32602
	codeTimedOut       = -32002
)

// nodeError turns what the node said into an error; other is the sentinel for a
// text that is not known.
func nodeError(method, text string, other error) error {
	for _, v := range kindByText {
		if strings.TrimSpace(text) == v.sentinel.Error() {
			return failure.Newf(v.kind, "%s: %w", method, v.sentinel)
		}
	}
	return failure.Newf(failure.RetryLater, "%s: %w: %s", method, other, failure.Text(text))
}

func malformed(method, format string, args ...any) error {
	return failure.Newf(failure.RetryLater, "%s: %w: %w", method, ErrMalformed, failure.Bounded(fmt.Errorf(format, args...)))
}

// classify wraps the error of a call in its sentinel and kind.
func classify(method string, err error) error {
	var answered *jsonrpc.Error
	var status *jsonrpc.StatusError
	var broken *jsonrpc.TransportError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answered):
		return rpcError(method, answered)
	case errors.As(err, &status):
		return statusError(method, status)
	case errors.Is(err, ErrSecret):
		return unsent(failure.WithKind(ErrUnauthorized, failure.Newf(failure.RetryLater, "%s: %w", method, err)))
	case errors.As(err, &broken) && broken.Fate == jsonrpc.NotSent:
		return failure.Newf(failure.RetryLater, "%s: %w: %w", method, ErrDown, failure.Bounded(failure.Untrusted(err)))
	case broken != nil && broken.Fate == jsonrpc.Lost:
		return failure.Newf(failure.RetryNow, "%s: %w: %w", method, ErrLost, failure.Bounded(err))
	default:
		return failure.Newf(failure.RetryLater, "%s: %w: %w", method, ErrMalformed, failure.Bounded(err))
	}
}

func rpcError(method string, err *jsonrpc.Error) error {
	said := failure.Text(err.Message)
	switch {
	case err.Batch && err.Code == codeInvalidRequest:
		return failure.WithKind(ErrMalformed, failure.Newf(failure.NeedsHuman, "%s: %w: %s", method, ErrBatchRefused, said))
	case err.Code == codeMethodNotFound:
		return failure.Newf(failure.NeedsHuman, "%s: %w: %s", method, ErrMethod, said)
	case err.Code == codeInvalidParams:
		return failure.Newf(failure.Abort, "%s: %w: %s", method, ErrInvalidParams, said)
	case err.Code == codeTimedOut:
		return failure.Newf(failure.RetryNow, "%s: %w: %s", method, ErrLost, said)
	}
	if missing := spineNotFound(method, err.Message); missing != nil {
		return missing
	}
	return nodeError(method, err.Message, ErrRPC)
}

func statusError(method string, err *jsonrpc.StatusError) error {
	body := cmp.Or(failure.Redirect(err.Code, err.Header), failure.Text(string(err.Body)))
	if !refusedToken(err) {
		return failure.Newf(failure.RetryLater, "%s: %w %s: %s", method, failure.Gateway(err.Code, ErrHTTPStatus), failure.Text(err.Status), body)
	}
	// Older servers answer 403 for a token too, so the text decides first.
	what := "the node refused the token: check the JWT secret"
	if low := strings.ToLower(body); strings.Contains(low, "host") ||
		err.Code == http.StatusForbidden && !strings.Contains(low, "token") {
		what = "the node refused the host name of the endpoint: check its list of virtual hosts"
	}
	return failure.Newf(failure.NeedsHuman, "%s: %w (HTTP %d): %s: %s", method, ErrUnauthorized, err.Code, what, body)
}

// cancelled is the error of a call whose context ended before it was sent.
func cancelled(method string, ctx context.Context) error {
	return failure.Newf(failure.RetryNow, "%s: not sent: %w", method, ctx.Err())
}

// unsent marks the error of a call that was held back here as ErrDown, without its text.
func unsent(err error) error { return failure.WithKind(ErrDown, err) }
