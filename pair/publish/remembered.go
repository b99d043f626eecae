package publish

import (
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/memory"
)

// Remembered returns what an earlier syncd left of the network, in the journal, and of its
// nodes, in the past; past may be nil. What cannot be read is not known.
func Remembered(j *journal.Journal, past *memory.Memory) Measured {
	var out Measured
	network, err := j.Network()
	if err != nil || network == nil {
		return out
	}
	if out.Spec = network.Spec(); out.Spec != nil && past != nil {
		out.GwatKnown, out.BeaconKnown = past.LastKnown(*out.Spec)
	}
	return out
}
