package protocol

import (
	"time"

	"github.com/gwatsync/syncd/gwatclient"
)

// Fate is what became of a call whose answer was lost.
type Fate int

// The fates.
const (
	Open     Fate = iota // it may still be carried out: nothing else may be sent
	Accepted             // a Prepare: gwat took it and waits for the push (S1)
	Over                 // it is over, with whatever result
)

// Seen is what was observed of gwat since a call was sent.
type Seen struct {
	Now       time.Time
	State     State
	Latest    *gwatclient.Block // last finalized block
	Last      *gwatclient.Block // block of the pushed list's last spine, if it was a push
	Down      bool              // a connection to gwat was refused after the call was sent
	LockTime  time.Duration     // how long gwat holds its head-sync lock
	GiveUp    time.Duration     // how long a caller waits for the answer
	CheckedAt time.Time         // from when on State, Latest and Last were read
}
