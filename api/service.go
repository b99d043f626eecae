package api

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/status"
)

// The JSON-RPC error codes of this API beside the standard ones. The error's
// data is {"kind":"<failure.Name>"}.
const (
	CodeRetryNow       = -32010 // ask again at once
	CodeRetryLater     = -32011 // not possible now; also: nothing is known yet
	CodeRestartAttempt = -32012 // the attempt it was about has ended
	CodeNeedsHuman     = -32013 // no retry heals it
	codeInvalidParams  = -32602
	codeInternal       = -32603
)

// The bounds of syncd_history's limit and syncd_pause's reason.
const (
	defaultHistory = 100
	maxHistory     = 10_000
	maxReason      = 500
)

// rpcError is an error with a code, as go-ethereum's server looks for it.
type rpcError struct {
	code int
	msg  string
	kind string
}

func (e *rpcError) Error() string  { return e.msg }
func (e *rpcError) ErrorCode() int { return e.code }
func (e *rpcError) ErrorData() any {
	if e.kind == "" {
		return nil
	}
	return map[string]string{"kind": e.kind}
}

var errNothingKnown = &rpcError{code: CodeRetryLater, msg: "nothing is known about the pair yet", kind: failure.Name(failure.RetryLater)}

// toRPC gives an error of the source its code; nil stays nil.
func toRPC(err error) error {
	if err == nil {
		return nil
	}
	var done *rpcError
	if errors.As(err, &done) {
		return done
	}
	code := CodeRetryLater
	switch failure.Kind(err) {
	case failure.RetryNow:
		code = CodeRetryNow
	case failure.RestartAttempt:
		code = CodeRestartAttempt
	case failure.NeedsHuman:
		code = CodeNeedsHuman
	}
	return &rpcError{code: code, msg: err.Error(), kind: failure.Name(err)}
}

// service holds the methods of the namespace; go-ethereum's server finds them
// by reflection, Status as syncd_status and so on.
type service struct{ src safeSource }

// Status is syncd_status: the newest snapshot.
func (s *service) Status() (*status.Snapshot, error) {
	snap, err := s.src.Snapshot()
	if err != nil {
		return nil, err
	}
	if snap == nil {
		return nil, errNothingKnown
	}
	return snap, nil
}

// History is syncd_history: the newest stage changes first, 100 if no limit is given.
func (s *service) History(ctx context.Context, limit *int) ([]status.Change, error) {
	n := defaultHistory
	if limit != nil {
		n = *limit
	}
	if n < 1 || n > maxHistory {
		return nil, &rpcError{code: codeInvalidParams, msg: fmt.Sprintf("limit is %d, want 1 to %d", n, maxHistory)}
	}
	changes, err := s.src.History(ctx, n)
	if err != nil {
		return nil, toRPC(err)
	}
	if changes == nil {
		changes = []status.Change{}
	}
	return changes, nil
}

// Pause is syncd_pause: syncd makes no call that changes a node until resumed.
func (s *service) Pause(ctx context.Context, reason *string) (bool, error) {
	text := ""
	if reason != nil {
		text = *reason
	}
	if len(text) > maxReason {
		return false, &rpcError{code: codeInvalidParams, msg: fmt.Sprintf("reason has %d bytes, at most %d", len(text), maxReason)}
	}
	err := toRPC(s.src.Pause(ctx, text))
	return err == nil, err
}

// Resume is syncd_resume.
func (s *service) Resume(ctx context.Context) (bool, error) {
	err := toRPC(s.src.Resume(ctx))
	return err == nil, err
}

// safeSource turns a panic of the source into an error: a status call never
// ends the daemon.
type safeSource struct {
	src Source
	log logrus.FieldLogger
}

func (s safeSource) call(method string, fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.WithFields(logrus.Fields{"method": method, "panic": fmt.Sprint(r), "stack": string(debug.Stack())}).
				Error("An API method crashed")
			err = &rpcError{code: codeInternal, msg: method + " crashed; the log of syncd has the cause"}
		}
	}()
	return fn()
}

func (s safeSource) Snapshot() (snap *status.Snapshot, err error) {
	err = s.call("status", func() error { snap = s.src.Snapshot(); return nil })
	return snap, err
}

func (s safeSource) History(ctx context.Context, limit int) (changes []status.Change, err error) {
	err = s.call("history", func() error { changes, err = s.src.History(ctx, limit); return err })
	return changes, err
}

func (s safeSource) Pause(ctx context.Context, reason string) error {
	return s.call("pause", func() error { return s.src.Pause(ctx, reason) })
}

func (s safeSource) Resume(ctx context.Context) error {
	return s.call("resume", func() error { return s.src.Resume(ctx) })
}
