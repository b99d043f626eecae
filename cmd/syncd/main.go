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

	"github.com/gwatsync/syncd/internal/logs"
	"github.com/gwatsync/syncd/ui/terminal/quietstart"
)

// gcPercent keeps the heap small: beside two nodes memory is dearer than the CPU
// of some more collections. GOGC overrides it.
const gcPercent = 50

// How long the last lines on stderr may take: nobody may read them.
const (
	lastFlush   = time.Second
	forcedFlush = 100 * time.Millisecond
)

func main() {
	quietstart.Over()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// Go dies of SIGPIPE on stdout and stderr even where its parent ignores it, as
	// systemd does: a restart of journald would end syncd.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(context.Background())
	stderr := logs.NewWriter(os.Stderr)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go obeySignals(signals, cancel, func() {
		fmt.Fprintln(stderr, "syncd: stopped by force")
		stderr.Close(forcedFlush)
		os.Exit(exitForced)
	})
	con := console{
		args: os.Args, environ: os.Environ, stdout: os.Stdout, stderr: stderr,
		terminal: term.IsTerminal(int(os.Stdout.Fd())),
	}
	if !con.terminal {
		con.stdout = logs.NewOutput(ctx, os.Stdout, cancel)
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		con.keyboard = os.Stdin
	}
	code := execute(ctx, con)
	stderr.Close(lastFlush)
	os.Exit(code)
}

// obeySignals stops gracefully on the first signal and by force on the second.
func obeySignals(signals <-chan os.Signal, stop, force func()) {
	<-signals
	stop()
	<-signals
	force()
}
