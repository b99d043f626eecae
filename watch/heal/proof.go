package heal

import (
	"fmt"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// Name names a heal; it is the setting's key behind "heal.".
type Name string

// The heals.
const (
	// Peers has gwat connect to peers that it had before (incident B2). If none is known,
	// it has gwat finalize what it has: the calls of the beacon node's driver need a peer,
	// the same ones in mode NoSync do not.
	Peers Name = "peers"
	// Checkpoint exchanges a checkpoint of gwat that is no block of the beacon node's
	// chain, by one dag_finalize without spines (incident B3).
	Checkpoint Name = "checkpoint"
	// Drive makes the calls of the beacon node's driver for one that makes none (B7).
	Drive Name = "drive"
	// RestartGwat runs the operator's command for a gwat that carries out no call (A2').
	RestartGwat Name = "restart-gwat"
	// RestartBeacon runs the operator's command for a beacon node that makes no call (B7),
	// whose head does not move for epochs, or whose calls a restart of gwat did not help (A2').
	RestartBeacon Name = "restart-beacon"
)

// All are the heals in the order in which one is chosen: a later one is of no use while
// the cause of an earlier one lasts.
var All = []Name{Peers, Checkpoint, Drive, RestartGwat, RestartBeacon}

// Names returns the names of the heals.
func Names() []string {
	var out []string
	for _, n := range All {
		out = append(out, string(n))
	}
	return out
}

// maxLag is how far the beacon's head may be behind the clock for what it says to be
// written into gwat.
const maxLag = 8

// maxUnjustified is how many epochs the justified checkpoint may be behind the clock:
// three and more are a fork of the node's own, or trouble of the network.
const maxUnjustified = 2

// OnChain is what gwat has of the beacon node's chain.
type OnChain struct {
	CheckpointKnown *bool // the beacon node has a header of gwat's checkpoint
	HeadFinal       bool  // gwat has finalized what the beacon's head finalizes
	HeadBehind      bool  // gwat was driven past the beacon's head: see HeadBehind
}

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
	Unfollowed    primitives.Epoch // epochs from current_justified to the beacon's head

	OnChain
	Findings      map[string]bool // the active ones that no other one explains
	GwatRestarted bool            // RestartGwat ended without an error since the pair worked
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
	case Drive:
		return proveDrive(f)
	case RestartGwat:
		if f.GwatRestarted {
			return false, "gwat was restarted already, and the pair has not worked since: restart-beacon is next"
		}
		return f.Findings["gwat_wedged"], activity(f, "gwat_wedged")
	case RestartBeacon:
		return proveRestartBeacon(f)
	}
	return false, fmt.Sprintf("there is no heal %q", n)
}

// activity says whether a finding is active.
func activity(f *Facts, finding string) string {
	if f.Findings[finding] {
		return finding + " is active"
	}
	return finding + " is not active, or another finding explains it"
}

func proveRestartBeacon(f *Facts) (bool, string) {
	for _, unmoved := range []string{"beacon_silent", "network_stalled"} {
		if f.Findings[unmoved] {
			return true, activity(f, unmoved)
		}
	}
	for _, lasting := range []string{"gwat_wedged", "sawtooth"} {
		switch {
		case !f.Findings[lasting]:
		case f.GwatRestarted:
			return true, lasting + " is active after a restart of gwat"
		default:
			return false, lasting + " is active, but gwat was not restarted by a heal: restart-gwat comes first"
		}
	}
	return false, activity(f, "beacon_silent")
}

func provePeers(f *Facts) (bool, string) {
	switch {
	case f.GwatPeers == nil:
		return false, "gwat does not report its peers at this endpoint, only over IPC"
	case *f.GwatPeers > 0:
		return false, fmt.Sprintf("gwat has peers (%d)", *f.GwatPeers)
	case !f.GwatSyncing && !f.Findings["no_peers_loop"]:
		return false, "gwat is in normal work"
	case f.Enodes == 0:
		if ok, why := sameChain(f); !ok {
			return false, "no peer that gwat had before is known, and " + why
		}
		return true, "gwat has 0 peers and does not work; no peer that it had before is known, but what it has can be finalized"
	}
	return true, fmt.Sprintf("gwat has 0 peers and does not work; of those that it had before, %d are known", f.Enodes)
}

func proveCheckpoint(f *Facts) (bool, string) {
	switch {
	case f.CheckpointKnown == nil:
		return false, "whether the beacon node has the block of gwat's checkpoint is not known"
	case *f.CheckpointKnown:
		return false, "gwat's checkpoint is a block of the beacon node's chain"
	case f.BeaconSyncing || f.BeaconLag > maxLag:
		return false, fmt.Sprintf("the beacon node syncs itself: its head is %d slots behind the clock", f.BeaconLag)
	case f.HeadBehind:
		return false, "gwat was driven further than the beacon's head: the beacon node may not have loaded the block of its checkpoint yet"
	case f.BeaconPeers == nil || *f.BeaconPeers == 0:
		return false, "the beacon node has no peers: its chain may be its own"
	case f.Unjustified > maxUnjustified:
		return false, fmt.Sprintf("the beacon's justified checkpoint is %d epochs behind the clock: its chain may be its own", f.Unjustified)
	case f.Findings["private_fork"]:
		return false, "private_fork is active"
	}
	return true, "the beacon node is synced and has no header for the root of gwat's checkpoint"
}

// sameChain reports whether the beacon node's head may be written into gwat: gwat's
// checkpoint is on the head's chain, and finality follows the head.
func sameChain(f *Facts) (bool, string) {
	switch {
	case f.CheckpointKnown == nil || !*f.CheckpointKnown:
		return false, "the beacon node does not have the block of gwat's checkpoint"
	case f.BeaconSyncing:
		return false, "the beacon node syncs itself"
	case f.Unfollowed > maxUnjustified:
		return false, fmt.Sprintf("the beacon's justified checkpoint is %d epochs behind its head: its chain may be its own", f.Unfollowed)
	case f.Findings["private_fork"]:
		return false, "private_fork is active"
	}
	return true, ""
}

func proveDrive(f *Facts) (bool, string) {
	switch {
	case !f.Findings["beacon_silent"]:
		return false, activity(f, "beacon_silent")
	case f.GwatPeers != nil && *f.GwatPeers == 0:
		return false, "gwat has no peers: these calls need one"
	case f.HeadFinal:
		return false, "gwat has what the beacon's head finalizes: there is nothing to drive it to before the next head"
	}
	if ok, why := sameChain(f); !ok {
		return false, why
	}
	return true, "beacon_silent is active, and the beacon's head is on the chain of gwat's checkpoint"
}
