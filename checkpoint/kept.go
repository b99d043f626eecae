package checkpoint

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// The calls that change gwat's state. Each is written down before it is sent (S1).
const (
	CallReady = "ready" // dag_headSyncReady
	CallPush  = "push"  // dag_headSync
)

// Pending is a state-changing call that was sent, or was about to be, and has
// no answer yet.
type Pending struct {
	Call      string // CallReady or CallPush
	Attempt   uint64
	Slot      primitives.Slot // of the checkpoint
	Root      common.Hash     // of the checkpoint's beacon block
	Spine     common.Hash     // last spine of the checkpoint
	LastSpine common.Hash     // last spine of a push; zero for a ready
	SentAt    time.Time
}

// Confirmed is the last entry whose spines block reads showed to be finalized.
type Confirmed struct {
	Slot   primitives.Slot
	Root   common.Hash
	Spine  common.Hash
	Number uint64
	At     time.Time
}
