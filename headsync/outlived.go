package headsync

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/journal"
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
	Down      bool              // gwat's process was seen gone after the call was sent
	LockTime  time.Duration     // how long gwat holds its head-sync lock
	CheckedAt time.Time         // when Stage and Latest were read
}

// Judge tells what became of a pending call, and why. gwat carries out a call
// whose caller gave up, at some later time; it is over when its effect is seen,
// when the process that had it is gone, or when the lock it could hold has run out.
func Judge(p journal.Pending, s Seen) (PendingState, string) {
	if s.Down {
		return PendingOver, "gwat was restarted"
	}
	held := s.Stage == gwatclient.StageHead && s.CheckedAt.After(p.SentAt)
	switch {
	case p.Call == "ready" && held && s.Latest != nil && s.Latest.Hash == p.Spine:
		return PendingAccepted, "gwat stands at its checkpoint"
	case p.Call == "push" && !held && s.Last != nil && s.Last.IsSpine():
		return PendingOver, "gwat has finalized all of it"
	}
	until := p.SentAt.Add(s.LockTime)
	if s.Now.Before(until) || held {
		return PendingOpen, fmt.Sprintf("a dag_head%s sent at %s had no answer and may still be carried out; it is over at %s at the latest",
			map[string]string{"ready": "SyncReady", "push": "Sync"}[p.Call], p.SentAt.Format(time.TimeOnly), until.Format(time.TimeOnly))
	}
	return PendingOver, "gwat's lock time has passed"
}
