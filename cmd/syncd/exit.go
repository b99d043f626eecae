package main

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// The exit codes, the same for every command; the README and
// docs/configuration.md list them and a test holds them to exitCodes.
const (
	exitOK          = 0
	exitInternal    = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitHalted      = 4
	exitTimeout     = 5
	exitBusy        = 6
	exitNotWorking  = 7
	exitPaused      = 8
	exitFailing     = 9
	exitUnknown     = 10
	exitDifferent   = 11
	exitForced      = 130
)

// exitCodes says what each code means to an operator.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "done; `status`, `doctor`: the pair is working"},
	{exitInternal, "an error of syncd itself; `pause`, `resume`, `resync`: syncd refused the order, as a resync while paused"},
	{exitUsage, "a wrong flag, environment variable or configuration value, an unusable file that one names, a JWT secret that a node or syncd refuses, or a recording that cannot be read"},
	{exitUnreachable, "a node (`check`, `doctor`, `conformance`) or syncd (`status`, `doctor`, `pause`, `resume`, `resync`) cannot be reached, or what answers is none (`wait`, too)"},
	{exitHalted, "the two nodes are of different networks (`check`, `doctor`), or the pair is halted and a human is needed (`status`, `doctor`)"},
	{exitTimeout, "`demo`: the stage of `--until` was not reached, `--timeout` ran out or it was stopped; `wait`: the pair did not work within `--timeout`, or no syncd was there"},
	{exitBusy, "another syncd has the journal open, or the API address or socket is in use"},
	{exitNotWorking, "`status`, `doctor`: the pair is syncing, not working yet"},
	{exitPaused, "`status`, `doctor`: the pair is paused"},
	{exitFailing, "`status`, `doctor`: the pair is failing: a critical finding stands"},
	{exitUnknown, "`status`, `doctor`: nothing is known about the pair yet"},
	{exitDifferent, "`conformance`: a node answers otherwise than its table says; `replay`: a verdict comes out otherwise than recorded"},
	{exitForced, "a second SIGINT or SIGTERM forced the end"},
}

// exitError is an error that ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func fail(code int, format string, args ...any) error {
	return &exitError{code: code, err: fmt.Errorf(format, args...)}
}

// codeOf finds the exit code of an error; the nodes' own errors need no wrapping.
func codeOf(err error) int {
	var e *exitError
	var library cli.ExitCoder // its own errors are all about the command line
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &library):
		return exitUsage
	case errors.Is(err, journal.ErrInUse), errors.Is(err, syscall.EADDRINUSE):
		return exitBusy
	case errors.Is(err, failure.NeedsHuman):
		return exitUsage
	}
	return exitInternal
}

// report writes the one line that an error gets, and gives its code. An error
// without text has been told already.
func report(stderr io.Writer, err error) int {
	if err != nil && err.Error() != "" {
		fmt.Fprintln(stderr, "syncd: "+terminal.Clean(err.Error()))
	}
	return codeOf(err)
}

// verdictCode is the exit code of a verdict.
func verdictCode(verdict string) int {
	switch verdict {
	case status.VerdictWorking:
		return exitOK
	case status.VerdictSyncing:
		return exitNotWorking
	case status.VerdictFailing:
		return exitFailing
	case status.VerdictPaused:
		return exitPaused
	case status.VerdictHalted:
		return exitHalted
	}
	return exitUnknown
}
