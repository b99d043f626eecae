package headsync

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
)

// PendingState is what became of a state-changing call whose answer was lost.
type PendingState int

// The states.
const (
	PendingOpen     PendingState = iota // it may still be carried out: nothing else may be sent
	PendingAccepted                     // a ready: gwat took it and waits for the push (S1)
	PendingOver                         // it is over, with whatever result
)

// Seen is what was observed of gwat since the call was sent.
type Seen struct {
	Now       time.Time
	Stage     gwatclient.Stage
	Latest    *gwatclient.Block // last finalized block
	Last      *gwatclient.Block // block of the pushed list's last spine, if it was a push
	Down      bool              // a connection to gwat was refused after the call was sent
	LockTime  time.Duration     // how long gwat holds its head-sync lock
	GiveUp    time.Duration     // how long a caller waits for the answer
	CheckedAt time.Time         // from when on Stage, Latest and Last were read
}

// Judge tells what became of a pending call, and why. gwat carries out a call
// whose caller gave up, at some later time; it is over when its effect is seen,
// when the process that had it is gone, or when the lock it could hold has run out.
func Judge(p checkpoint.Pending, s Seen) (PendingState, string) {
	since := s.CheckedAt.After(p.SentAt)
	held := since && s.Stage == gwatclient.StageHead
	// A proxy before gwat refuses connections, too; a lock survives no restart.
	if s.Down && !held {
		return PendingOver, "gwat was restarted"
	}
	// It may be begun as late as its caller gave up, and hold the lock from then on.
	// What holds the lock after that is watched as another driver, a push that takes
	// longer too: either way nothing is sent before three quiet slots.
	until := p.SentAt.Add(s.GiveUp + s.LockTime)
	switch {
	case !s.Now.Before(until):
		return PendingOver, "the time has passed in which gwat could hold its lock for it"
	case p.Call == checkpoint.CallReady && held && s.Latest != nil && s.Latest.Hash == p.Spine:
		return PendingAccepted, "gwat stands at its checkpoint"
	case p.Call == checkpoint.CallPush && since && !held && s.Last != nil && s.Last.IsSpine():
		return PendingOver, "gwat has finalized all of it"
	}
	return PendingOpen, fmt.Sprintf("the %s sent at %s, which had no answer, to be over: gwat may still carry it out until about %s",
		map[string]string{checkpoint.CallReady: "dag_headSyncReady", checkpoint.CallPush: "dag_headSync"}[p.Call],
		p.SentAt.Format(time.TimeOnly), until.Format(time.TimeOnly))
}
