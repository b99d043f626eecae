package status

import (
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// The verdicts on a pair.
const (
	VerdictUnknown = "unknown" // nothing was observed yet
	VerdictSyncing = "syncing" // on its way, nothing critical is wrong
	VerdictWorking = "working" // verified as working, nothing critical is wrong
	VerdictFailing = "failing" // a critical finding is active, whatever the stage
	VerdictPaused  = "paused"
	VerdictHalted  = "halted" // it needs a human
)

// The severities of a finding.
const (
	SeverityInfo     = "info"     // worth knowing, nothing to do
	SeverityWarning  = "warning"  // heals by itself or costs something
	SeverityCritical = "critical" // the pair does not do its work
)

// Finding is one thing that is wrong with a pair, named and evidenced. It is
// reported only after its documented window and goes only after its hysteresis.
type Finding struct {
	Name     string    `json:"name"` // such as gwat_no_peers
	Severity string    `json:"severity"`
	Node     string    `json:"node"` // "gwat", "beacon", "pair" or "syncd"
	Summary  string    `json:"summary"`
	Evidence []string  `json:"evidence"` // the signals with their values
	Since    time.Time `json:"since"`    // when the signals began, not when it was reported
	Remedy   string    `json:"remedy"`
	// EvidenceAt is when the evidence was read, if the newest poll does not show it: the
	// finding is reported on until it is seen to be gone for long enough.
	EvidenceAt *time.Time `json:"evidenceAt,omitempty"`
	// ExplainedBy names the finding that has caused this one; it comes before this one in
	// the list and is not explained itself. Heal that one first.
	ExplainedBy string `json:"explainedBy,omitempty"`
}

// Sample is one point of the pair's recent past, for charts. Absent values
// were not known at that time.
type Sample struct {
	Seq        uint64           `json:"seq"`
	At         time.Time        `json:"at"`
	Stage      string           `json:"stage"`
	Verdict    string           `json:"verdict"`
	WallSlot   *primitives.Slot `json:"wallSlot,omitempty"`
	GwatSlot   *primitives.Slot `json:"gwatSlot,omitempty"`
	BeaconSlot *primitives.Slot `json:"beaconSlot,omitempty"`
	GwatNumber *uint64          `json:"gwatNumber,omitempty"` // last finalized block
	PushDone   *uint64          `json:"pushDone,omitempty"`   // entries
	PushTotal  *uint64          `json:"pushTotal,omitempty"`

	// Of a sample of an interval: for how much of it the verdict is known,
	// and for how much the pair worked. The verdict is the worst of the interval.
	KnownSeconds   float64 `json:"knownSeconds,omitempty"`
	WorkingSeconds float64 `json:"workingSeconds,omitempty"`
}
