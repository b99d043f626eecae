package sentlist

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

const (
	readAtOnce = 64 // spines of one poll of gwat
	shownFirst = 3  // differences that are shown
)

// List is the list of one dag_headSync while it is compared. An entry is compared once
// its slot is not above a checkpoint of the beacon's: before that a reorg may still take
// it back.
type List struct {
	total     int
	malformed string
	entries   []entry // by slot
	last      primitives.Slot

	compared primitives.Slot // with what was collected, up to here
	rest     int             // entries that were compared
	differs  int             // of those, how many differ
	first    []string        // the first differences

	justified primitives.Slot
	next      int   // the first entry that gwat was not asked about
	asked     []int // entries of the newest question
	read      int   // entries that gwat was read to have
	behind    []int // entries that gwat was read not to have, yet
}

type entry struct {
	slot    primitives.Slot
	content uint64
	spines  []common.Hash
}

// New returns the list of a call: total is how many entries it has, of which some may
// not have been kept; malformed says what could not be read of it, "" if nothing.
func New(entries []checkpoint.ConsensusInfo, total int, malformed string) *List {
	l := &List{total: total, malformed: malformed}
	for _, info := range entries {
		l.entries = append(l.entries, entry{info.Slot, content(info), info.Finalizing})
	}
	slices.SortStableFunc(l.entries, func(a, b entry) int { return int(int64(a.slot) - int64(b.slot)) })
	if n := len(l.entries); n > 0 {
		l.last = l.entries[n-1].slot
	}
	return l
}

// Justify says that the block root at slot is canonical for good: the entries up to it
// are compared with what was collected.
func (l *List) Justify(c *Collected, root common.Hash, slot primitives.Slot) {
	l.justified = max(l.justified, slot)
	if len(l.entries) == 0 || l.compared >= min(slot, l.last) {
		return
	}
	chain, low, ok := c.chain(root, slot)
	if !ok {
		return
	}
	low = max(low, l.entries[0].slot)
	if l.compared > 0 {
		low = max(low, l.compared+1)
	}
	high := min(slot, l.last)
	before := primitives.Slot(0)
	for i, e := range l.entries {
		if e.slot < low || e.slot > high {
			continue
		}
		l.rest++
		want, collected := chain[e.slot]
		switch {
		case i > 0 && e.slot == before:
			l.difference("slot %d is in the list twice", e.slot)
		case !collected:
			l.difference("slot %d is in the list and has no block by REST", e.slot)
		case want != e.content:
			l.difference("slot %d has other spines or creators in the list than by REST", e.slot)
		}
		before = e.slot
	}
	var missing []primitives.Slot
	for s := range chain {
		if s >= low && s <= high {
			if _, listed := slices.BinarySearchFunc(l.entries, s, func(e entry, s primitives.Slot) int { return int(int64(e.slot) - int64(s)) }); !listed {
				missing = append(missing, s)
			}
		}
	}
	slices.Sort(missing)
	for _, s := range missing {
		l.difference("the list lacks slot %d, which has a block by REST", s)
	}
	l.compared = high
}

func (l *List) difference(format string, slot primitives.Slot) {
	l.differs++
	if len(l.first) < shownFirst {
		l.first = append(l.first, fmt.Sprintf(format, slot))
	}
}

// Question returns the spines that gwat is to be asked about next: those of entries that
// are justified, in order, and again those that it did not have. It is empty when there
// is nothing to ask now.
func (l *List) Question() []common.Hash {
	l.asked = nil
	var out []common.Hash
	add := func(i int) bool {
		if n := len(l.entries[i].spines); len(out) > 0 && len(out)+n > readAtOnce {
			return false
		}
		l.asked, out = append(l.asked, i), append(out, l.entries[i].spines...)
		return true
	}
	for _, i := range l.behind[:min(len(l.behind), readAtOnce/4)] {
		if !add(i) {
			break
		}
	}
	for i := l.next; i < len(l.entries) && l.entries[i].slot <= l.justified; i++ {
		if !add(i) {
			break
		}
	}
	return out
}

// Answer takes in what gwat was read to have of the newest question. A question that
// gets no answer is asked again.
func (l *List) Answer(state func(common.Hash) checkpoint.SpineState) {
	for _, i := range l.asked {
		fresh := i >= l.next
		if fresh {
			l.next = i + 1
		} else { // it moves to the end: the others have their turn
			l.behind = slices.DeleteFunc(l.behind, func(j int) bool { return j == i })
		}
		if slices.ContainsFunc(l.entries[i].spines, func(s common.Hash) bool { return state(s) != checkpoint.SpineFinal }) {
			l.behind = append(l.behind, i)
		} else {
			l.read++
		}
	}
	l.asked = nil
}

// Done reports whether nothing is left to compare.
func (l *List) Done() bool {
	return l.next == len(l.entries) && len(l.behind) == 0 && l.justified >= l.last
}

// Summary is the result of a comparison so far.
type Summary struct {
	Entries   int    // in the list
	Malformed string // what could not be read of it
	Rest      int    // entries that were compared with what was collected
	Differs   int    // differences found by that
	First     []string
	Read      int             // entries that gwat was read to have finalized
	Behind    int             // entries that it was read not to have
	BehindAt  primitives.Slot // the lowest of them
}

// Summary returns the result of the comparison so far.
func (l *List) Summary() Summary {
	s := Summary{
		Entries: l.total, Malformed: l.malformed, Rest: l.rest, Differs: l.differs, First: l.first, Read: l.read, Behind: len(l.behind),
	}
	for n, i := range l.behind {
		if slot := l.entries[i].slot; n == 0 || slot < s.BehindAt {
			s.BehindAt = slot
		}
	}
	return s
}
