package pair

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
)

// A call of ours that ended after the poll before began explains what this poll shows; one
// that ended earlier does not.
func TestACallThatEndedBetweenTwoPollsExplainsARollback(t *testing.T) {
	for ended, sign := range map[string]bool{"before both": true, "between": false} {
		t.Run(ended, func(t *testing.T) {
			p := knowing(t, fsm.Working) // its clock is at slot 32
			p.ledger.SetPending(checkpoint.Pending{Call: checkpoint.CallReady}, 1)
			p.ledger.ClearPending()
			p.polls.history.Number = 20
			p.watchCompeting(lookAt(31), lookAt(30))
			p.polls.history.Number = 19
			if sign {
				p.watchCompeting(lookAt(34), lookAt(33))
			} else {
				p.watchCompeting(lookAt(33), lookAt(31))
			}
			require.Equal(t, sign, p.writes.competing.Active())
		})
	}
}
