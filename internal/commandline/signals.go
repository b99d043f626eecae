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

// ObeySignals has stop called at the first SIGINT or SIGTERM and force at a later one,
// from a goroutine that ends with the process.
func ObeySignals(stop, force func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go obeySignals(signals, stop, force)
}

func obeySignals(signals <-chan os.Signal, stop, force func()) {
	<-signals
	first := time.Now()
	stop()
	for range signals {
		if time.Since(first) >= sameSignal {
			force()
			return
		}
	}
}
