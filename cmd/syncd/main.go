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

	"golang.org/x/term"

	"github.com/gwatsync/syncd/ui/terminal/quietstart"
)

// gcPercent keeps the heap small: beside two nodes memory is dearer than the CPU
// of some more collections. GOGC overrides it.
const gcPercent = 50

func main() {
	quietstart.Over()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go obeySignals(signals, cancel, func() {
		fmt.Fprintln(os.Stderr, "syncd: stopped by force")
		os.Exit(exitForced)
	})
	con := console{
		args: os.Args, environ: os.Environ, stdout: os.Stdout, stderr: os.Stderr,
		terminal: term.IsTerminal(int(os.Stdout.Fd())),
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		con.keyboard = os.Stdin
	}
	os.Exit(execute(ctx, con))
}

// obeySignals stops gracefully on the first signal and by force on the second.
func obeySignals(signals <-chan os.Signal, stop, force func()) {
	<-signals
	stop()
	<-signals
	force()
}
