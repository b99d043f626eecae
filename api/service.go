package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/status"
)

// The JSON-RPC error codes of this API beside the standard ones. The error's
// data is {"kind":"<failure.Name>"}.
const (
	CodeRetryNow      = -32010 // ask again at once
	CodeRetryLater    = -32011 // not possible now; also: nothing is known yet
	CodeAbort         = -32012 // the attempt it was about has ended
	CodeNeedsHuman    = -32013 // no retry heals it
	CodeNotAllowed    = -32014 // the call changes something and is not authorized
	CodeLimit         = -32015 // a limit of this API is reached
	codeParse         = -32700
	codeInvalidParams = -32602
)

// The bounds of the limits of syncd_history and syncd_progress, and of a reason.
const (
	defaultHistory = 100
	maxHistory     = 10_000
	defaultSamples = 300
	maxSamples     = 900 // as many as a pair keeps
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

// toRPC adds the JSON-RPC code to an error of the source; nil stays nil.
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
	case failure.Abort:
		code = CodeAbort
	case failure.NeedsHuman:
		code = CodeNeedsHuman
	}
	return &rpcError{code: code, msg: err.Error(), kind: failure.Name(err)}
}

// service holds the methods of the namespace; go-ethereum's server finds them
// by reflection, Status as syncd_status and so on.
type service struct {
	src      Source
	settings []Setting
	between  CallSource // nil without a gate
	operator bool       // the caller may change something
}

// Status is syncd_status: the newest snapshot.
func (s *service) Status() (*status.Snapshot, error) { return snapshotOf(s.src) }

// History is syncd_history: the newest stage changes first, 100 if no limit is given.
func (s *service) History(ctx context.Context, limit *int) ([]status.Change, error) {
	n, err := bounded(limit, defaultHistory, 1, maxHistory)
	if err != nil {
		return nil, err
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

// Findings is syncd_findings: what is wrong with the pair, the worst first.
func (s *service) Findings() (*Findings, error) {
	snap, err := snapshotOf(s.src)
	if err != nil {
		return nil, err
	}
	out := findingsOf(snap)
	return &out, nil
}

// Config is syncd_config: the settings that are in force.
func (s *service) Config() []Setting {
	if s.settings == nil {
		return []Setting{}
	}
	return s.settings
}

// Pause is syncd_pause: syncd makes no call that changes a node until resumed.
func (s *service) Pause(ctx context.Context, reason *string) (bool, error) {
	if !s.operator {
		return false, errNotAllowed
	}
	text := ""
	if reason != nil {
		text = *reason
	}
	if err := checkReason(text); err != nil {
		return false, err
	}
	return done(s.src.Pause(ctx, text))
}

// Resume is syncd_resume.
func (s *service) Resume(ctx context.Context) (bool, error) {
	if !s.operator {
		return false, errNotAllowed
	}
	return done(s.src.Resume(ctx))
}

// Resync is syncd_resync: through all stages again.
func (s *service) Resync(ctx context.Context, order *ResyncOrder) (bool, error) {
	if !s.operator {
		return false, errNotAllowed
	}
	if order == nil {
		order = &ResyncOrder{}
	}
	if err := checkReason(order.Reason); err != nil {
		return false, err
	}
	return done(s.src.Resync(ctx, status.Resync(*order)))
}

// Heal is syncd_heal: the proof and the calls of a heal; without dryRun the heal, too.
func (s *service) Heal(ctx context.Context, order *HealOrder) (*status.Heal, error) {
	if order == nil {
		order = &HealOrder{}
	}
	if !order.DryRun && !s.operator {
		return nil, errNotAllowed
	}
	if len(order.Name) > maxReason {
		return nil, &rpcError{code: codeInvalidParams, msg: fmt.Sprintf("name has %d bytes, at most %d", len(order.Name), maxReason)}
	}
	out, err := s.src.Heal(ctx, status.HealOrder(*order))
	return out, toRPC(err)
}

func done(err error) (bool, error) { return err == nil, toRPC(err) }

func bounded(limit *int, unset, low, high int) (int, error) {
	n := unset
	if limit != nil {
		n = *limit
	}
	if n < low || n > high {
		return 0, &rpcError{code: codeInvalidParams, msg: fmt.Sprintf("limit is %d, want %d to %d", n, low, high)}
	}
	return n, nil
}

func checkReason(text string) error {
	if len(text) > maxReason {
		return &rpcError{code: codeInvalidParams, msg: fmt.Sprintf("reason has %d bytes, at most %d", len(text), maxReason)}
	}
	return nil
}
