package exit

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

// The codes. Codes lists them with their meaning.
const (
	OK          = 0
	Internal    = 1
	Usage       = 2
	Unreachable = 3
	Halted      = 4
	Timeout     = 5
	Busy        = 6
	NotWorking  = 7
	Paused      = 8
	Failing     = 9
	Unknown     = 10
	Different   = 11
	NotYet      = 12
	Forced      = 130
)

// Codes says what each code means to an operator, in the order of the codes.
// README.md and docs/configuration.md list them; a test holds both to this table.
var Codes = []struct {
	Code    int
	Meaning string
}{
	{OK, "done; `status`, `doctor`: the pair is working"},
	{Internal, "an error of syncd itself; `pause`, `resume`, `resync`: syncd refused the order, as a resync while paused"},
	{Usage, "a wrong flag, environment variable or configuration value, an unusable file that one names, a JWT secret that a node or syncd refuses, or a recording that cannot be read; no restart heals it"},
	{Unreachable, "a node (`check`, `doctor`, `conformance`) or syncd (`status`, `calls`, `history`, `doctor`, `pause`, `resume`, `resync`) cannot be reached, or the endpoint is not the expected program (`wait`, too) or has a certificate that is not trusted"},
	{Halted, "the two nodes are of different networks (`check`, `doctor`), or the pair is halted and a human is needed (`status`, `doctor`)"},
	{Timeout, "`demo`: the stage of `--until` was not reached, `--timeout` ran out or it was stopped; `wait`: the pair did not work within `--timeout`, or no syncd was there"},
	{Busy, "another syncd has the journal open, or an address or socket of the API or of the gate is in use"},
	{NotWorking, "`status`, `doctor`: the pair is syncing, not working yet"},
	{Paused, "`status`, `doctor`: the pair is paused"},
	{Failing, "`status`, `doctor`: the pair is failing: a critical finding is active"},
	{Unknown, "`status`, `doctor`: nothing is known about the pair yet"},
	{Different, "`conformance`: a node answers otherwise than its table says; `replay`: a verdict comes out otherwise than recorded"},
	{NotYet, "`run`, `check`: something that the start needs is not there yet, such as the address of `api.listen`, the file of `api.jwt-secret` or a disk that can be written and has room; start it again, as the unit does"},
	{Forced, "a second SIGINT or SIGTERM forced the end"},
}

// Error is an error that ends the program with a code of its own.
type Error struct {
	code int
	err  error
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// With returns err with a code; nil stays nil.
func With(code int, err error) error {
	if err == nil {
		return nil
	}
	return &Error{code: code, err: err}
}

// Errorf builds an error with a code.
func Errorf(code int, format string, args ...any) error {
	return &Error{code: code, err: fmt.Errorf(format, args...)}
}

// errReported has no text: the output has said what is wrong.
var errReported = errors.New("")

// Reported returns the error of a command whose output has said what is wrong; nil
// for OK.
func Reported(code int) error {
	if code == OK {
		return nil
	}
	return &Error{code: code, err: errReported}
}

// Of returns the code of an error: its own, or that of its kind.
func Of(err error) int {
	var e *Error
	var library interface{ ExitCode() int } // the command-line library's errors are about the command line
	switch {
	case err == nil:
		return OK
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &library):
		return Usage
	case errors.Is(err, journal.ErrInUse), errors.Is(err, syscall.EADDRINUSE):
		return Busy
	case errors.Is(err, failure.NeedsHuman):
		return Usage
	}
	return Internal
}

// OfVerdict returns the code of a verdict.
func OfVerdict(verdict string) int {
	switch verdict {
	case status.VerdictWorking:
		return OK
	case status.VerdictSyncing:
		return NotWorking
	case status.VerdictFailing:
		return Failing
	case status.VerdictPaused:
		return Paused
	case status.VerdictHalted:
		return Halted
	}
	return Unknown
}
