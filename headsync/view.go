package headsync

import (
	"context"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"

	"github.com/gwatsync/syncd/gwatclient"
)

// ReadView reads from gwat, in batches, the spines that the entries name and
// every finalized block numbered between them.
func ReadView(ctx context.Context, gwat Gwat, entries []Entry) (View, error) {
	spines := Spines(entries)
	blocks, err := gwat.BlocksByHash(ctx, spines)
	if err != nil {
		return View{}, fmt.Errorf("read spines from gwat: %w", err)
	}
	view := View{ByHash: make(map[common.Hash]*gwatclient.Block, len(spines)), ByNumber: map[uint64]*gwatclient.Block{}}
	low, high := uint64(math.MaxUint64), uint64(0)
	for i, b := range blocks {
		view.ByHash[spines[i]] = b
		if b != nil && b.IsSpine() {
			view.ByNumber[*b.Number] = b
			low, high = min(low, *b.Number), max(high, *b.Number)
		}
	}
	if low >= high || int(high-low) < len(view.ByNumber) {
		return view, nil // no number between the spines is without its block
	}
	between, err := gwat.BlocksByNumber(ctx, low, high)
	if err != nil {
		return View{}, fmt.Errorf("read finalized blocks %d to %d from gwat: %w", low, high, err)
	}
	for i, b := range between {
		if b != nil {
			view.ByNumber[low+uint64(i)] = b
		}
	}
	return view, nil
}
