package pair

import (
	"testing"
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
)

// A look at a far beacon node asks more than fits into its time. What one has
// read counts for the next, so that the pair works all the same.
func TestABeaconFarAwayIsLookedAtInParts(t *testing.T) {
	far := func(c *beaconsim.Config) { c.AnswerCost = 450 * time.Millisecond }
	inFakeTime(t, fakeConfig{beacon: far}, func(f *fake) {
		f.reaches(fsm.Working)
	})
}
