package status

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// Snapshot is the answer of syncd_status. A snapshot is never changed after it
// was published; Seq grows by one with each.
type Snapshot struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Pair    string    `json:"pair"`
	Version string    `json:"version"`       // of syncd
	Observe bool      `json:"observe"`       // syncd never writes to a node
	Era     string    `json:"era,omitempty"` // "head-sync" or "coordinated"; absent before it is known

	// Verdict is what the signals together say, one of the constants below;
	// Findings are what is wrong, the worst first.
	Verdict  string    `json:"verdict"`
	Findings []Finding `json:"findings"`

	Stage   string     `json:"stage"`             // one of fsm's stages
	Since   time.Time  `json:"since"`             // when the stage was entered
	Waiting string     `json:"waiting,omitempty"` // why it does not go on by itself right now
	NextTry *time.Time `json:"nextTry,omitempty"` // when it looks or tries again
	Reason  string     `json:"reason,omitempty"`  // why it was entered

	Network    *Network    `json:"network,omitempty"`
	Gwat       Node        `json:"gwat"`
	Beacon     Node        `json:"beacon"`
	Push       *Push       `json:"push,omitempty"` // the running or last push
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
	Confirmed  *Confirmed  `json:"confirmed,omitempty"` // last entry gwat confirmed
	Lock       *Lock       `json:"lock,omitempty"`      // gwat's head-sync lock, if held
	LastError  *Error      `json:"lastError,omitempty"`
	Attempts   uint64      `json:"attempts"`      // head-sync attempts since the start of syncd
	ETA        *time.Time  `json:"eta,omitempty"` // when the pair may work; unknown if absent

	CompetingDriver *CompetingDriver `json:"competingDriver,omitempty"` // the one that was seen, if any
	Rival           *CompetingDriver `json:"rival,omitempty"`           // deprecated: the same; goes with the next release

	Past *Past `json:"past,omitempty"` // what is remembered of the verdict
}

// Past is what is remembered of a pair's verdict, over restarts of syncd too.
type Past struct {
	VerdictSince time.Time  `json:"verdictSince"`           // since when it is what it is
	WorkingSince *time.Time `json:"workingSince,omitempty"` // absent unless the pair works
	WorkedUntil  *time.Time `json:"workedUntil,omitempty"`  // when a pair that does not work was seen to work last
	LastTrouble  *Trouble   `json:"lastTrouble,omitempty"`  // the present or the last one; absent if there was none
}

// Trouble is a time for which a pair was failing or halted.
type Trouble struct {
	From    time.Time  `json:"from"`
	Until   *time.Time `json:"until,omitempty"`   // absent while it lasts
	Verdict string     `json:"verdict"`           // at its beginning
	Finding string     `json:"finding,omitempty"` // the worst at its beginning
	Summary string     `json:"summary,omitempty"` // of that finding
}

// Network is what the beacon node says about the network of the pair.
type Network struct {
	Name           string          `json:"name"`
	ChainID        uint64          `json:"chainId"`
	GenesisTime    uint64          `json:"genesisTime"`
	SecondsPerSlot uint64          `json:"secondsPerSlot"`
	SlotsPerEpoch  uint64          `json:"slotsPerEpoch"`
	CurrentSlot    primitives.Slot `json:"currentSlot"`
}

// Node is one node of the pair as last observed.
type Node struct {
	Endpoint  string    `json:"endpoint"` // without credentials
	Reachable bool      `json:"reachable"`
	Since     time.Time `json:"since"` // of Reachable
	Version   string    `json:"version,omitempty"`
	Peers     *uint64   `json:"peers,omitempty"`
	LatencyMS *float64  `json:"latencyMs,omitempty"` // of the last poll; absent if it was not answered
	SyncStage string    `json:"syncStage,omitempty"`

	// Slot is the newest one the node has: the beacon's head, gwat's newest
	// coordinated slot. LagSlots is how far it is behind the wall clock; while the node
	// does not answer it is counted from LastKnown and grows.
	Slot     *primitives.Slot `json:"slot,omitempty"`
	LagSlots *uint64          `json:"lagSlots,omitempty"`
	// Finalized is a block number of gwat, a slot of the beacon.
	Finalized *uint64 `json:"finalized,omitempty"`

	Progress *Progress `json:"progress,omitempty"`
	Error    *Error    `json:"error,omitempty"` // why it is not reachable

	// LastKnown is what the node had when it last answered, while it does not.
	LastKnown *LastKnown `json:"lastKnown,omitempty"`
}

// LastKnown is what a node had at a time that is past.
type LastKnown struct {
	At        time.Time        `json:"at"`
	Slot      *primitives.Slot `json:"slot,omitempty"`
	Finalized *uint64          `json:"finalized,omitempty"`
}

// Progress counts towards a target: gwat in finalized block numbers or DAG
// slots, the beacon in slots, a push in entries.
type Progress struct {
	Unit    string     `json:"unit"` // "block", "slot", "entry"
	From    uint64     `json:"from"`
	Current uint64     `json:"current"`
	Target  uint64     `json:"target"`
	Rate    float64    `json:"rate"`          // units a second, smoothed
	ETA     *time.Time `json:"eta,omitempty"` // unknown if absent
}

// Push is a head-sync push.
type Push struct {
	Phase    string          `json:"phase"` // "collecting", "proving", "ready", "pushing", "confirming", "done", "failed"
	From     primitives.Slot `json:"from"`
	To       primitives.Slot `json:"to"`
	Progress Progress        `json:"progress"`
	Started  time.Time       `json:"started"`
}

// Checkpoint is the last checkpoint (current_justified) and its slot.
type Checkpoint struct {
	checkpoint.Checkpoint
	Slot  primitives.Slot `json:"slot"`
	Spine *common.Hash    `json:"spine,omitempty"` // last spine of its body
}

// Confirmed is the last entry whose spines gwat was seen to have finalized.
type Confirmed struct {
	Slot   primitives.Slot `json:"slot"`
	Root   common.Hash     `json:"root"`
	Spine  common.Hash     `json:"spine"`
	Number uint64          `json:"number"`
	At     time.Time       `json:"at"`
}

// Lock is gwat's head-sync lock.
type Lock struct {
	Ours  bool      `json:"ours"`
	Until time.Time `json:"until"` // when it runs out at the latest
}

// CompetingDriver is a driver of gwat that is not syncd.
type CompetingDriver struct {
	Sign         string    `json:"sign"`
	Seen         time.Time `json:"seen"`
	LastProgress time.Time `json:"lastProgress"`
}

// Resync is an operator's order to take a pair through all stages again.
type Resync struct {
	Reason string `json:"reason,omitempty"` // shown in the status and the history
	Full   bool   `json:"full,omitempty"`   // begin the push at the last checkpoint
	Force  bool   `json:"force,omitempty"`  // also a pair that works
}

// Error is an error as shown to an operator.
type Error struct {
	Kind    string    `json:"kind"` // failure.Name
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// Change is one stage change, the answer of syncd_history is a list of them.
type Change struct {
	At     time.Time `json:"at"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Event  string    `json:"event"`
	Reason string    `json:"reason,omitempty"`
}
