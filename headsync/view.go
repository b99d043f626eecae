package headsync

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/gwatclient"
)

const (
	readBatch   = 200     // blocks of one reader at a time
	readAtOnce  = 4       // readers
	readNumbers = 1 << 16 // bounds what is read because of a number that gwat states
)

// ReadSpines reads from gwat, in batches, the spines that the entries name.
func ReadSpines(ctx context.Context, gwat Gwat, entries []Entry) (View, error) {
	spines := Spines(entries)
	blocks, err := inBatches(ctx, len(spines), func(ctx context.Context, from, to int) ([]*gwatclient.Block, error) {
		return gwat.BlocksByHash(ctx, spines[from:to])
	})
	if err != nil {
		return View{}, fmt.Errorf("read spines from gwat: %w", err)
	}
	view := View{ByHash: make(map[common.Hash]*gwatclient.Block, len(spines)), ByNumber: map[uint64]*gwatclient.Block{}}
	for i, b := range blocks {
		view.ByHash[spines[i]] = b
		if b != nil && b.IsSpine() {
			view.ByNumber[*b.Number] = b
		}
	}
	return view, nil
}

// ReadView is ReadSpines and every finalized block numbered between the spines,
// which a proof of the order needs; those beyond a bound are left unread.
func ReadView(ctx context.Context, gwat Gwat, entries []Entry, after uint64) (View, error) {
	view, err := ReadSpines(ctx, gwat, entries)
	if err != nil {
		return View{}, err
	}
	high := after
	for n := range view.ByNumber {
		high = max(high, n)
	}
	first, n := after+1, int(min(high-after, readNumbers))
	view.Unread = high - after - uint64(n)
	blocks, err := inBatches(ctx, n, func(ctx context.Context, from, to int) ([]*gwatclient.Block, error) {
		for i := from; i < to; i++ {
			if view.ByNumber[first+uint64(i)] == nil {
				return gwat.BlocksByNumber(ctx, first+uint64(from), first+uint64(to)-1)
			}
		}
		return nil, nil // all of them are spines, which were read
	})
	if err != nil {
		return View{}, fmt.Errorf("read the finalized blocks from %d on from gwat: %w", first, err)
	}
	for i, b := range blocks {
		if b != nil {
			view.ByNumber[first+uint64(i)] = b
		}
	}
	return view, nil
}

// inBatches reads n blocks, some batches at once, and returns them in order.
func inBatches(ctx context.Context, n int, read func(ctx context.Context, from, to int) ([]*gwatclient.Block, error)) ([]*gwatclient.Block, error) {
	out := make([]*gwatclient.Block, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readAtOnce)
	for from := 0; from < n; from += readBatch {
		to := min(from+readBatch, n)
		g.Go(func() error {
			blocks, err := read(ctx, from, to)
			copy(out[from:to], blocks)
			return err
		})
	}
	return out, g.Wait()
}
