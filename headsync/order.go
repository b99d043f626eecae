package headsync

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/gwatclient"
)

// finalizedBefore is the order in which a spine finalizes its ancestors: slot
// ascending; within a slot height descending, then number of parents
// descending, then hash ascending.
func finalizedBefore(a, b *gwatclient.Block) bool {
	switch {
	case a.Slot != b.Slot:
		return a.Slot < b.Slot
	case a.Height != b.Height:
		return a.Height > b.Height
	case len(a.Parents) != len(b.Parents):
		return len(a.Parents) > len(b.Parents)
	}
	return bytes.Compare(a.Hash[:], b.Hash[:]) < 0
}

// View is what was read of gwat's blocks.
type View struct {
	ByHash   map[common.Hash]*gwatclient.Block // spines; absent or nil: gwat has no such block
	ByNumber map[uint64]*gwatclient.Block      // finalized blocks by number
	Unread   uint64                            // numbers at the end that were too many to read
}

// Proven returns how many of entries, from the first on, gwat has finalized
// exactly as they say, given that everything up to number base is right (with
// base 0 the hash, gwat's genesis, may be left zero): each
// spine is finalized with number equal to height, numbers do not fall and are
// equal only for the same hash, and the blocks numbered between two neighbouring
// spines are ancestors of the later one and follow the order rule.
func Proven(base uint64, baseHash common.Hash, entries []Entry, view View) int {
	number, hash := base, baseHash
	for i, e := range entries {
		for _, spine := range e.Info.Finalizing {
			b := view.ByHash[spine]
			if b == nil || !b.IsSpine() {
				return i
			}
			if *b.Number == number && (b.Hash == hash || hash == common.Hash{}) {
				hash = b.Hash
				continue
			}
			if *b.Number <= number || !intervalInOrder(number, b, view.ByNumber) {
				return i
			}
			number, hash = *b.Number, b.Hash
		}
	}
	return len(entries)
}

// Applied returns how many of entries, which were pushed on a base that is right,
// gwat has finalized: each spine with number equal to height, numbers that do not
// fall and are equal only for the same hash. gwat orders what a spine finalizes
// by itself, so for a push of ours the blocks in between need no reading.
func Applied(base uint64, baseHash common.Hash, entries []Entry, view View) int {
	number, hash := base, baseHash
	for i, e := range entries {
		for _, spine := range e.Info.Finalizing {
			b := view.ByHash[spine]
			same := b != nil && b.IsSpine() && *b.Number == number && (b.Hash == hash || hash == common.Hash{})
			if b == nil || !b.IsSpine() || !same && *b.Number <= number {
				return i
			}
			number, hash = *b.Number, b.Hash
		}
	}
	return len(entries)
}

// intervalInOrder proves the blocks numbered after+1 to spine's number.
func intervalInOrder(after uint64, spine *gwatclient.Block, byNumber map[uint64]*gwatclient.Block) bool {
	inside := map[common.Hash]*gwatclient.Block{spine.Hash: spine}
	var prev *gwatclient.Block
	for n := after + 1; n < *spine.Number; n++ {
		b := byNumber[n]
		if b == nil || b.Number == nil || *b.Number != n || inside[b.Hash] != nil {
			return false
		}
		if prev != nil && !finalizedBefore(prev, b) {
			return false
		}
		inside[b.Hash] = b
		prev = b
	}
	if last := byNumber[*spine.Number]; last == nil || last.Hash != spine.Hash {
		return false
	}
	return allReached(spine, inside)
}

// allReached reports whether every block of inside is spine or an ancestor of it.
func allReached(spine *gwatclient.Block, inside map[common.Hash]*gwatclient.Block) bool {
	reached := map[common.Hash]bool{spine.Hash: true}
	queue := []*gwatclient.Block{spine}
	for len(queue) > 0 {
		b := queue[0]
		queue = queue[1:]
		for _, p := range b.Parents {
			if parent := inside[p]; parent != nil && !reached[p] {
				reached[p] = true
				queue = append(queue, parent)
			}
		}
	}
	return len(reached) == len(inside)
}
