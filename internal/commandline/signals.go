package commandline

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is how long after the first signal another one is the same: a wrapper,
// such as timeout or npm, signals its child and then the group that the child is in.
const sameSignal = 300 * time.Millisecond

// ObeySignals has stop called at the first SIGINT, SIGTERM or SIGHUP and force at a later
// SIGINT or SIGTERM, from a goroutine that ends with the process. A SIGHUP that the parent
// had ignored, as nohup does, stays ignored.
func ObeySignals(stop, force func()) {
	obeyed := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		obeyed = append(obeyed, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, obeyed...)
	go obeySignals(signals, stop, force)
}

// obeySignals forces nothing for a SIGHUP, which a terminal sends when it closes and
// its shell once more: nobody is impatient.
func obeySignals(signals <-chan os.Signal, stop, force func()) {
	var first time.Time // of a SIGINT or SIGTERM
	for s := range signals {
		stop()
		switch {
		case s == syscall.SIGHUP:
		case first.IsZero():
			first = time.Now()
		case time.Since(first) >= sameSignal:
			force()
			return
		}
	}
}
