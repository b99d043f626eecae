// Command syncd takes a gwat node and a beacon node from any state to working
// mode; see the README and docs/configuration.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/gwatsync/syncd/internal/commandline"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/logs"
)

// version is set by the linker in a release build.
var version string

// gcPercent keeps the heap small: beside two nodes memory is dearer than the CPU
// of some more collections. GOGC overrides it.
const gcPercent = 50

// How long the last lines on stderr may take: nobody may read them.
const (
	lastFlush   = time.Second
	forcedFlush = 100 * time.Millisecond
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, cancel := context.WithCancel(context.Background())
	// Go dies of SIGPIPE on stdout and stderr even where its parent ignores it, as
	// systemd does: a restart of journald would end syncd.
	signal.Ignore(syscall.SIGPIPE)
	stderr := logs.NewWriter(os.Stderr)
	commandline.ObeySignals(cancel, func() {
		fmt.Fprintln(stderr, "syncd: stopped by force")
		stderr.Close(forcedFlush)
		os.Exit(exit.Forced)
	})
	std := stdio{
		args: os.Args, environ: os.Environ, stdout: os.Stdout, stderr: stderr,
		terminal: term.IsTerminal(int(os.Stdout.Fd())),
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		std.keyboard = os.Stdin
	}
	if !std.terminal {
		std.stdout = logs.NewOutput(ctx, os.Stdout, cancel)
	}
	code := execute(ctx, std)
	stderr.Close(lastFlush)
	os.Exit(code)
}
