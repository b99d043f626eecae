package health

import (
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
)

// Reach is how a node answered the calls of one poll.
type Reach int

// The ways in which a node answers.
const (
	NotAsked Reach = iota
	Answers        // every call was answered
	Down           // nothing could be sent, the connection was cut, or a proxy does not reach it
	Silent         // a call was taken and not answered in time
	Denied         // the node refuses the token or the host name
	Garbled        // it answers what no node of this kind answers
	Starting       // it has just started and lacks the state of its head still
	Limited        // it refuses calls for now because of their number
)

// Input is what one poll measured, and what syncd knows of itself at that time. What was not
// measured is zero, and neither starts nor ends a finding.
type Input struct {
	At      time.Time     // by the wall clock
	Elapsed time.Duration // by a clock that never jumps
	Stage   fsm.Stage

	Spec     *checkpoint.Spec // nil until the beacon node reports it
	Conflict string           // why the nodes are of two networks; "" if they are of one
	Human    string           // what no retry repairs, other than a conflict

	Gwat   Gwat
	Beacon Beacon

	Gate        *Gate        // between the nodes; nil if there is none
	Coordinated *Coordinated // of a pair of the coordinated era, else nil

	PeersOptional bool // a setting: the network may have one node of a kind

	Driving
	Attempts
	Events  uint64 // head events of the beacon's stream so far
	Journal string // why the journal's last write failed; "" if it did not
}

// Driving is what drives gwat other than the beacon node.
type Driving struct {
	Lock      *Lock  // gwat's head-sync lock, nil if it is free
	Competing string `json:"Rival"` // the sign of a competing driver; "" if there is none. Recordings have its old name
}

// Attempts are the head-sync attempts of syncd.
type Attempts struct {
	Refused    int           // how often in a row gwat refused the same checkpoint
	Failed     int           // head-sync attempts that failed in a row
	FailedFor  time.Duration // since the first of them
	FailedWhy  string        // the error of the last of them
	Collecting bool          // an attempt reads the beacon's blocks: gwat is not asked for anything
}

// Node is what both kinds of nodes have.
type Node struct {
	Reach    Reach
	Error    string        // why it does not answer
	Latency  time.Duration // of the slowest call of the poll
	Identity Identity
	Peers    *uint64 // only in a poll that read them
}

// Identity distinguishes a node from another one at the same endpoint; "" is what was not
// read. When a part of it changes, the history of the node is dropped.
type Identity struct {
	Chain  string // its chain id and genesis
	Client string // the program, without its version
	Peer   string // its peer id
}

// ClientName returns the program that a version text names.
func ClientName(version string) string {
	name, _, _ := strings.Cut(version, "/")
	return strings.ToLower(strings.TrimSpace(name))
}

// Gwat is one poll of gwat.
type Gwat struct {
	Node
	Syncing   bool // eth_syncing is an object; only then the next three are known
	SyncStage string
	CoordSlot primitives.Slot // newest slot that the coordinator named
	TipSlot   primitives.Slot // newest slot among gwat's tips

	Number *uint64         // of the last finalized block
	Slot   primitives.Slot // of that block
	Ours   bool            // a call of ours since the poll before may have rolled gwat back

	// What gwat has of the spines of the beacon's head; read only if both answer.
	Compared bool
	Spines   []checkpoint.SpineState
}

// Beacon is one poll of the beacon node.
type Beacon struct {
	Node
	Known     bool // the head was read
	Head      primitives.Slot
	Root      common.Hash
	Clock     primitives.Slot // of the node's own clock: head plus sync_distance
	ClockAt   time.Time       // when it said so, by our wall clock
	Justified primitives.Epoch
	Points    []Point // its checkpoints, as far as their bodies carry spines
}

// Point is a checkpoint's block and what gwat has of its last spine.
type Point struct {
	Slot  primitives.Slot
	State checkpoint.SpineState
}

// Lock is gwat's head-sync lock. While it is held, gwat refuses all other calls.
type Lock struct {
	Running bool // by a call of ours that runs right now
	Ours    bool // by a call of ours that may go on after its caller gave up
	Until   time.Time
}
