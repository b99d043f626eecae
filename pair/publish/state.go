package publish

import (
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/pair/poll"
	"github.com/gwatsync/syncd/status"
)

// State is all that a snapshot of a pair is built from. Build changes nothing of it.
type State struct {
	Seq   uint64
	At    time.Time
	Pair  About
	Stage Stage
	Nodes Nodes
	Work  Work

	Pending   *checkpoint.Pending   // the call that may still be carried out
	Confirmed *checkpoint.Confirmed // the newest entry that gwat was read to have
	Findings  []status.Finding
}

// About is what does not change while a pair runs.
type About struct {
	Name, Version          string
	Observe                bool
	GwatURL, BeaconURL     string
	PollInterval, LockTime time.Duration
}

// Stage is the present stage, and the facts by which it is left.
type Stage struct {
	Name   fsm.Stage
	Since  time.Time
	Reason string
	Facts  fsm.Facts
}

// Nodes is what the polls have shown.
type Nodes struct {
	Last     *poll.Observation // nil before the first
	History  *poll.History
	Extras   poll.Extras
	Measured Measured
}

// Work is what syncd does, and what keeps it from more.
type Work struct {
	Running     bool // a worker runs
	Attempts    uint64
	NextAttempt time.Time
	Failed      int // attempts in a row
	LastError   *status.Error
	Awaits      string // what the running attempt waits for
	Inhibit     string // why nothing is sent to gwat
	Push        *status.Push
	Driver      Driver
}

// Driver is the newest sign of a competing driver; Sign is empty if there is none.
type Driver struct {
	Sign        string
	First, Last time.Time
}
