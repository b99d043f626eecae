package poll

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// History is what several polls show together.
type History struct {
	Fails      int       // polls failed in a row
	bad        time.Time // when a poll failed last
	BadBefore  time.Time // when one failed before that
	GwatDown   time.Time // when gwat's process was last seen gone
	Number     uint64    // gwat's last finalized number
	NumberFrom time.Time // since when it is that
	Covered    primitives.Slot

	head     common.Hash     // the beacon's
	HeadFrom time.Time       // since when it is that
	dag      primitives.Slot // newest slot in gwat's tips, as last read
	dagThen  primitives.Slot // the first one read since HeadFrom
	dagKnown bool            // whether dagThen was read
	HighHead primitives.Slot // the beacon's, reorgs of some slots left out

	// gwat's newest coordinated slot: of the newest head whose spines it was seen
	// to have finalized, while its finality has not fallen below that.
	Coordinated primitives.Slot
	coordNumber uint64
}

// Observe takes a poll in.
func (t *History) Observe(o *Observation) {
	if o.Answered() {
		t.Fails = 0
	} else {
		t.Fails++
		t.BadBefore, t.bad = t.bad, o.At
	}
	// Only a refused connection shows that the process is gone.
	if errors.Is(o.Gwat.Err, syscall.ECONNREFUSED) || errors.Is(o.Gwat.Err, syscall.ENOENT) {
		t.GwatDown = o.Start
	}
	if o.Beacon.Err == nil && o.Beacon.Head.Header.Root != t.head {
		t.head, t.HeadFrom, t.dagKnown = o.Beacon.Head.Header.Root, o.At, false
	}
	// gwat names its newest slot only while it syncs: growth is measured from the
	// first one read under this head, not from one that may be hours old.
	if o.Gwat.Err == nil && o.Gwat.Sync.Syncing {
		t.dag = o.Gwat.Sync.TipSlot
		if !t.dagKnown {
			t.dagThen, t.dagKnown = t.dag, true
		}
	}
	t.observeCoordinated(o)
	if o.Beacon.Err == nil {
		t.holdHead(o.Beacon.Head.Header.Slot)
	}
	if n := o.number(); n != nil && (*n != t.Number || t.NumberFrom.IsZero()) {
		t.Number, t.NumberFrom = *n, o.At
	}
}

// observeCoordinated takes in whether gwat has finalized what the beacon's head says.
func (t *History) observeCoordinated(o *Observation) {
	n := o.number()
	if n == nil {
		return
	}
	number := *n
	if number < t.coordNumber {
		t.Coordinated, t.coordNumber = 0, 0
	}
	head := o.Beacon.Head
	if !o.Up() || len(head.Spines) == 0 && (o.Gwat.Sync.Syncing || t.Coordinated == 0) {
		return // a head without spines shows something of a pair at work only
	}
	for _, s := range head.Spines {
		if o.State(s) != checkpoint.SpineFinal {
			return
		}
	}
	t.Coordinated, t.coordNumber = head.Header.Slot, number
}

// holdHead keeps the beacon's head as its progress shows it: a reorg of some
// slots is no step back of the sync, and a longer one is a finding.
func (t *History) holdHead(head primitives.Slot) {
	if head >= t.HighHead || head+checkpoint.NearHead < t.HighHead {
		t.HighHead = head
	}
}

// Silent returns why gwat goes back to its own sync: the beacon side has brought no head
// for so many slots while gwat's DAG went on growing; "" if that is not so.
func (t *History) Silent(o *Observation, slot time.Duration, slots int) string {
	if t.HeadFrom.IsZero() || !t.dagKnown || t.dag <= t.dagThen {
		return ""
	}
	n := int(o.At.Sub(t.HeadFrom) / slot)
	if n < slots {
		return ""
	}
	return fmt.Sprintf("the beacon side, silent for %d slots while gwat's DAG grew to slot %d: gwat goes back to its own sync", n, t.dag)
}
