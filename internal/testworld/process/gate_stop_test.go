//go:build integration

package test

import (
	"testing"
	"time"

	"github.com/gwatsync/syncd/internal/testworld/faults"
	"github.com/gwatsync/syncd/internal/testworld/proof"
)

// Each process of a pair at work behind the gate is stopped and goes on later. The earlier
// stages are stopped beside the pair: behind the gate a loaded machine runs past them.
func TestStopAtWorkBehindTheGate(t *testing.T) {
	for i, victim := range faults.Processes() {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			tr := newTrioAt(t, between, way(i), false)
			tr.bringTo("working")
			w := tr.watch()
			f := proof.Fault{Begin: time.Now(), Stopped: victim == "syncd"}
			if victim != "syncd" {
				f.Lost = victim
			}
			tr.stop(victim)
			proof.Hold(t, f.Begin, lasts)
			f.End = time.Now()
			tr.goOn(victim)
			tr.concludes(w, f, faults.Recovery{Fault: "stop", On: victim, Stage: "working"})
		})
	}
}
