package heal

import (
	"fmt"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// Name names a heal; it is the setting's key behind "heal.".
type Name string

// The heals.
const (
	// Peers has gwat connect to peers that it had before (incident B2).
	Peers Name = "peers"
	// Checkpoint exchanges a checkpoint of gwat that is no block of the beacon node's
	// chain, by one dag_finalize without spines (incident B3).
	Checkpoint Name = "checkpoint"
	// RestartGwat runs the operator's command for a gwat that carries out no call (A2').
	RestartGwat Name = "restart-gwat"
	// RestartBeacon runs the operator's command for a beacon node that makes no call (B7),
	// or whose calls a restart of gwat did not help (A2').
	RestartBeacon Name = "restart-beacon"
)

// All are the heals in the order in which one is chosen: a later one is of no use while
// the cause of an earlier one lasts.
var All = []Name{Peers, Checkpoint, RestartGwat, RestartBeacon}

// maxLag is how far the beacon's head may be behind the clock for what it says to be
// written into gwat.
const maxLag = 8

// maxUnjustified is how many epochs the justified checkpoint may be behind the clock:
// three and more are a fork of the node's own, or trouble of the network.
const maxUnjustified = 2

// Facts are what the polls showed, as far as a heal depends on it.
type Facts struct {
	BothUp  bool
	Working bool   // the pair was seen to work
	Why     string // why nothing may be done at all; "" if it may

	Loading       bool // gwat loads from its peers: a call runs
	GwatSyncing   bool // eth_syncing is not false
	GwatPeers     *uint64
	Enodes        int // that gwat had as peers before and that are kept
	BeaconSyncing bool
	BeaconPeers   *uint64
	BeaconLag     primitives.Slot
	Unjustified   primitives.Epoch // epochs from current_justified to the clock

	CheckpointKnown *bool           // the beacon node has a header of gwat's checkpoint
	Findings        map[string]bool // that are told
	GwatRestarted   bool            // RestartGwat was tried since the pair worked
}

// Prove reports whether a heal is called for by one poll, and what shows it or what is
// missing.
func Prove(n Name, f *Facts) (proved bool, why string) {
	switch {
	case f.Why != "":
		return false, f.Why
	case !f.BothUp:
		return false, "a node does not answer"
	case f.Loading:
		return false, "gwat loads from its peers"
	}
	switch n {
	case Peers:
		return provePeers(f)
	case Checkpoint:
		return proveCheckpoint(f)
	case RestartGwat:
		return f.Findings["gwat_wedged"] && !f.GwatRestarted, told(f, "gwat_wedged")
	case RestartBeacon:
		if f.Findings["gwat_wedged"] && f.GwatRestarted {
			return true, "gwat_wedged is told after a restart of gwat"
		}
		return f.Findings["beacon_silent"], told(f, "beacon_silent")
	}
	return false, fmt.Sprintf("there is no heal %q", n)
}

func told(f *Facts, finding string) string {
	if f.Findings[finding] {
		return finding + " is told"
	}
	return finding + " is not told"
}

func provePeers(f *Facts) (bool, string) {
	switch {
	case f.GwatPeers == nil:
		return false, "gwat's endpoint does not tell its peers: only IPC does"
	case *f.GwatPeers > 0:
		return false, fmt.Sprintf("gwat has %d peers", *f.GwatPeers)
	case !f.GwatSyncing:
		return false, "gwat is in normal work"
	case f.Enodes == 0:
		return false, "gwat has no peers, and none that it had before is known"
	}
	return true, fmt.Sprintf("gwat has 0 peers and eth_syncing is not false; %d peers that it had before are known", f.Enodes)
}

func proveCheckpoint(f *Facts) (bool, string) {
	switch {
	case f.CheckpointKnown == nil:
		return false, "whether the beacon node has the block of gwat's checkpoint is not known"
	case *f.CheckpointKnown:
		return false, "gwat's checkpoint is a block of the beacon node's chain"
	case f.BeaconSyncing || f.BeaconLag > maxLag:
		return false, fmt.Sprintf("the beacon node syncs itself: its head is %d slots behind the clock", f.BeaconLag)
	case f.BeaconPeers == nil || *f.BeaconPeers == 0:
		return false, "the beacon node has no peers: its chain may be its own"
	case f.Unjustified > maxUnjustified:
		return false, fmt.Sprintf("the beacon's justified checkpoint is %d epochs behind the clock: its chain may be its own", f.Unjustified)
	case f.Findings["private_fork"]:
		return false, "private_fork is told"
	}
	return true, "the beacon node is synced and has no header for the root of gwat's checkpoint"
}
