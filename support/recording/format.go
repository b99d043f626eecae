package recording

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
)

// Format and Version name this form. A reader takes every version up to its own.
const (
	Format  = "syncd-bundle"
	Version = 1
)

// The limits of a bundle, in bytes of JSON; Writer keeps them and Reader refuses
// what does not.
const (
	MaxSize  = 256 << 20
	maxLine  = 4 << 20
	maxBytes = 48 << 10 // of an answer: what is longer is left out, with its length
)

// Header is the first line.
type Header struct {
	Format  string        `json:"format"`
	Version int           `json:"version"`
	Made    time.Time     `json:"made"`
	By      string        `json:"by"`               // version of syncd
	Poll    time.Duration `json:"poll"`             // between two polls, nanoseconds
	Source  string        `json:"source"`           // of the snapshots: "daemon" or "recorder"
	Config  any           `json:"config,omitempty"` // settings of the daemon, as syncd_config has them
}

// Entry is any other line; one of its pointers is set.
type Entry struct {
	At         time.Time        `json:"at"`
	Call       *Call            `json:"call,omitempty"`
	Gate       *status.Call     `json:"gate,omitempty"` // a call of the beacon node's that passed the gate
	Evaluation *Evaluation      `json:"look,omitempty"`
	Snapshot   *status.Snapshot `json:"snapshot,omitempty"`
	Change     *status.Change   `json:"change,omitempty"`
	Trouble    string           `json:"trouble,omitempty"` // the daemon did not answer
	End        *End             `json:"end,omitempty"`
}

// Call is one call to a node.
type Call struct {
	Node   string          `json:"node"`   // "gwat" or "beacon"
	Method string          `json:"method"` // of gwat; the path of the beacon
	Params json.RawMessage `json:"params,omitempty"`
	Status int             `json:"status,omitempty"` // HTTP, of the beacon
	Answer json.RawMessage `json:"answer,omitempty"`
	Length int             `json:"length,omitempty"` // of an answer that was left out
	Error  string          `json:"error,omitempty"`
	Took   time.Duration   `json:"took"` // nanoseconds
}

// Evaluation is what one poll measured and how it was evaluated then.
type Evaluation struct {
	Input    health.Input `json:"input"`
	Verdict  string       `json:"verdict"`
	Findings []string     `json:"findings"` // names, the worst first
}

// End is the last line: one without it was cut off.
type End struct {
	Why     string `json:"why"`
	Entries int    `json:"entries"`
}

// Errors of a reader, for errors.Is.
var (
	ErrFormat    = errors.New("no bundle of syncd record")
	ErrNewer     = errors.New("made by a newer syncd")
	ErrCorrupt   = errors.New("the bundle is damaged")
	ErrTruncated = errors.New("the bundle ends in the middle")
	ErrTooLarge  = errors.New("larger than any bundle of syncd record")
	// ErrFull is of a writer: the limit is reached, nothing more is taken.
	ErrFull = errors.New("the bundle has reached its size limit")
)
