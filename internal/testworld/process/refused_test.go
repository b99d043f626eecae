//go:build integration

package test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/faults"
	"github.com/gwatsync/syncd/internal/testworld/proof"
)

// A connection that is refused for a moment, as a proxy before gwat does it,
// does not show that the call under way has ended: it is still syncd's own.
func TestRefusedWhileAPushRuns(t *testing.T) {
	down := faults.Toxic{Name: "down"}
	for _, by := range []transport{overHTTP, overWS} {
		t.Run(string(by), func(t *testing.T) {
			t.Parallel()
			tr := newTrio(t, by, true)
			tr.bringTo("head_sync")
			w := tr.watch()
			f := proof.Fault{Begin: time.Now()}
			on := tr.links[faults.LinkGwat]
			on.poison(down)
			proof.Hold(t, f.Begin, time.Second)
			f.End = time.Now()
			on.heal(down)
			tr.concludes(w, f, faults.Recovery{Fault: "refused", On: faults.LinkGwat, Stage: "head_sync"})
			ended := slices.IndexFunc(w.All(), func(told proof.Told) bool { return told.Snapshot != nil && told.Snapshot.CompetingDriver != nil })
			require.Negative(t, ended, "the call of ours that goes on is taken for a competing driver's")
		})
	}
}
