package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/journal"
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
	exitForced      = 130
)

// exitCodes says what each code means to an operator.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "done; `status`: the pair is working"},
	{exitInternal, "an error of syncd itself"},
	{exitUsage, "a wrong flag, environment variable or configuration value, or an unusable file that one names"},
	{exitUnreachable, "a node (`check`) or syncd (`status`) cannot be reached or does not answer as one"},
	{exitHalted, "the two nodes are of different networks (`check`), or the pair is halted and a human is needed (`status`)"},
	{exitTimeout, "`demo`: the stage of `--until` was not reached, `--timeout` ran out or it was stopped"},
	{exitBusy, "another syncd has the journal open, or the API address is in use"},
	{exitNotWorking, "`status`: the pair is on its way, not working yet"},
	{exitPaused, "`status`: the pair is paused"},
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
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
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
		fmt.Fprintln(stderr, "syncd: "+strings.Join(strings.Fields(err.Error()), " "))
	}
	return codeOf(err)
}

// stageCode is the exit code of `status` for a stage.
func stageCode(stage string) int {
	switch fsm.Stage(stage) {
	case fsm.Working:
		return exitOK
	case fsm.Halted:
		return exitHalted
	case fsm.Paused:
		return exitPaused
	}
	return exitNotWorking
}
