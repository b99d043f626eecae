package pair

import (
	"errors"
	"testing"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair/poll"
)

// Only whole polls that asked gwat for a call of normal work, after the switch, prove that
// the pair works.
func TestWhichPollsAreAProof(t *testing.T) {
	lost := errors.New("lost")
	for name, tc := range map[string]struct {
		stage fsm.Stage
		spoil func(*poll.Observation)
		want  bool
	}{
		"whole ones":               {fsm.Switching, func(*poll.Observation) {}, true},
		"of a pair at work":        {fsm.Working, func(*poll.Observation) {}, true},
		"before the switch":        {fsm.HeadSync, func(*poll.Observation) {}, false},
		"without a call":           {fsm.Switching, func(o *poll.Observation) { o.Calls = false }, false},
		"gwat was lost":            {fsm.Switching, func(o *poll.Observation) { o.Gwat.Err = lost }, false},
		"the beacon node was lost": {fsm.Switching, func(o *poll.Observation) { o.Beacon.Err = lost }, false},
		"at work, without a call":  {fsm.Working, func(o *poll.Observation) { o.Calls = false }, false},
		"begun before the switch":  {fsm.Switching, func(o *poll.Observation) { o.Start = factsSpec.SlotStart(31) }, false},
		"a call was not answered":  {fsm.Switching, func(o *poll.Observation) { o.CallsErr = lost }, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := pairIn(t, tc.stage)
			p.stage.since = factsSpec.SlotStart(32)
			p.proof.verifier = headsync.NewVerifier(factsSpec.SlotStart(32), factsSpec.SlotDuration(), 32, 1, nil)
			for slot := primitives.Slot(33); slot < 33+headsync.NewHeads; slot++ {
				o := lookAt(slot)
				o.Calls, o.Beacon.Head = true, pointAt(slot)
				tc.spoil(o)
				p.verify(o)
			}
			require.Equal(t, tc.want, p.proof.verdict.Working, p.proof.verdict.Why)
			require.Equal(t, tc.want, p.polls.history.Covered > 32)
		})
	}
}
