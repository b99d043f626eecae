package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// dagBlocks is what the order rule is applied to.
type dagBlocks interface {
	DAGGenesis() *world.DAGBlock
	DAGBlock(hash common.Hash) (*world.DAGBlock, bool)
}

// finalOrder is the order in which a sequence of spines finalizes, genesis first;
// the position is the number. It is written from the spec, apart from the code
// under test and from the simulated gwat.
func finalOrder(dag dagBlocks, spines []common.Hash) ([]common.Hash, error) {
	genesis := dag.DAGGenesis().Hash
	order := []common.Hash{genesis}
	final := map[common.Hash]bool{genesis: true}
	for _, spine := range spines {
		if final[spine] {
			continue
		}
		past, err := openPast(dag, spine, final)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(past, earlier)
		for _, b := range past {
			order = append(order, b.Hash)
			final[b.Hash] = true
		}
		order = append(order, spine)
		final[spine] = true
	}
	return order, nil
}

// openPast are the ancestors of a spine that are not final yet, without itself.
func openPast(dag dagBlocks, spine common.Hash, final map[common.Hash]bool) ([]*world.DAGBlock, error) {
	var past []*world.DAGBlock
	seen := map[common.Hash]bool{spine: true}
	stack := []common.Hash{spine}
	for len(stack) > 0 {
		hash := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		b, ok := dag.DAGBlock(hash)
		if !ok {
			return nil, fmt.Errorf("the network has no block %s", hash)
		}
		if hash != spine {
			past = append(past, b)
		}
		for _, p := range b.Parents {
			if !final[p] && !seen[p] {
				seen[p] = true
				stack = append(stack, p)
			}
		}
	}
	return past, nil
}

// earlier compares by slot ascending; in a slot by height descending, then by
// number of parents descending, then by hash ascending.
func earlier(a, b *world.DAGBlock) int {
	if a.Slot != b.Slot {
		return sign(a.Slot < b.Slot)
	}
	if a.Height != b.Height {
		return sign(a.Height > b.Height)
	}
	if len(a.Parents) != len(b.Parents) {
		return sign(len(a.Parents) > len(b.Parents))
	}
	return bytes.Compare(a.Hash[:], b.Hash[:])
}

func sign(first bool) int {
	if first {
		return -1
	}
	return 1
}

// canonicalSpines are the spines that the bodies from genesis to head finalize.
func canonicalSpines(chain world.Chain, head *world.BeaconBlock) []common.Hash {
	var bodies [][]common.Hash
	for b, ok := head, true; ok; b, ok = chain.Block(b.ParentRoot) {
		bodies = append(bodies, b.Finalization)
		if b.Slot == 0 {
			break
		}
	}
	var spines []common.Hash
	for _, body := range slices.Backward(bodies) {
		spines = append(spines, body...)
	}
	return spines
}

// checkOrder proves that what gwat finalized stands in the canonical order, and
// reaches at least as far as the first `least` numbers of it.
func checkOrder(got, canonical []common.Hash, least int) error {
	for number, hash := range got {
		switch {
		case number >= len(canonical):
			return fmt.Errorf("gwat has %d finalized blocks, the beacon named %d", len(got), len(canonical))
		case canonical[number] != hash:
			return fmt.Errorf("gwat has %s at number %d, the beacon's order %s", hash, number, canonical[number])
		}
	}
	if len(got) < least {
		return fmt.Errorf("gwat has %d finalized blocks, want at least %d", len(got), least)
	}
	return nil
}
