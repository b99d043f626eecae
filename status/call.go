package status

import (
	"slices"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// Call is one call that passed the gate.
type Call struct {
	Seq        uint64           `json:"seq"` // from 1 since the start of syncd, without gaps
	At         time.Time        `json:"at"`  // when it arrived
	Method     string           `json:"method"`
	Era        string           `json:"era"`
	Slot       *primitives.Slot `json:"slot,omitempty"` // that the call names, else that of the clock; absent if neither is known
	DurationMS float64          `json:"durationMs"`     // until its answer was passed on
	Action     string           `json:"action"`         // what the gate's policy says: forward, answer, hold, mend, vouch
	Outcome    string           `json:"outcome"`        // what became of it
	Tries      int              `json:"tries,omitempty"`
	Error      string           `json:"error,omitempty"` // what gwat or the transport said
	Listener   string           `json:"listener"`        // "http", "ws" or "ipc"
}

// The bounds of CallFilter.Limit.
const (
	DefaultCalls = 200
	MaxCalls     = 4096 // as many as a gate keeps
)

// CallFilter chooses calls. A member that is not set chooses all.
type CallFilter struct {
	After    *uint64    `json:"after,omitempty"`    // a sequence number: those behind it
	Since    *time.Time `json:"since,omitempty"`    // those that arrived then or later
	Methods  []string   `json:"methods,omitempty"`  // one of these
	Actions  []string   `json:"actions,omitempty"`  // one of these
	Outcomes []string   `json:"outcomes,omitempty"` // one of these
	MinMS    float64    `json:"minMs,omitempty"`    // those that took at least so many milliseconds
	Limit    int        `json:"limit,omitempty"`    // the newest of them, at most so many
}

// Has reports whether the filter chooses c. It does not look at Limit.
func (f *CallFilter) Has(c *Call) bool {
	among := func(list []string, word string) bool { return len(list) == 0 || slices.Contains(list, word) }
	return (f.After == nil || c.Seq > *f.After) &&
		(f.Since == nil || !c.At.Before(*f.Since)) &&
		among(f.Methods, c.Method) && among(f.Actions, c.Action) && among(f.Outcomes, c.Outcome) &&
		c.DurationMS >= f.MinMS
}

// Traffic is what passed the gate: the answer of syncd_calls.
type Traffic struct {
	Gate     bool   `json:"gate"`           // there is a gate
	Last     uint64 `json:"last"`           // sequence number of the newest call, chosen or not
	Lost     uint64 `json:"lost,omitempty"` // calls behind "after" that are no longer kept
	Held     int    `json:"held"`           // calls that wait now
	Absorbed int    `json:"absorbed"`       // calls answered in gwat's place that are not proved yet
	Calls    []Call `json:"calls"`          // the newest last
}
