package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// rounds is over how many interleaved rounds a ratio is taken; each round has a
// network of its own seed.
const rounds = 7

var (
	handoverMost = handover("handover-100-of-107", "handover, gwat has 100 of 107 blocks past the checkpoint: peer's time / ours", atLeast(20, ""), most)
	handoverNone = handover("handover-none", "handover, gwat has none of them: peer's time / ours", atLeast(1.5, ""), 0)
)

// handover compares whole head syncs, each on a fresh pair: from the first call to
// the push's answer for the peer, to the confirmation for ours.
func handover(name, title string, w want, has uint64) subject {
	return subject{
		name: name, rows: []rowName{{title, w}}, bound: 2 * time.Minute,
		measure: func(ctx context.Context, b *bench) ([]row, error) {
			var ratios, peers, mine []float64
			var wrong error
			for seed := range uint64(b.rounds(rounds)) {
				chain, err := busyNetwork(100 + seed)
				if err != nil {
					return nil, err
				}
				at := func(head *world.BeaconBlock) uint64 { return chain.atCheckpoint(head) + has }
				theirs, badPeer, err := timed(ctx, plan{chain: chain, costs: statedCosts, at: at}, peerSync)
				if err != nil {
					return nil, fmt.Errorf("peer, seed %d: %w", seed, err)
				}
				own, badOurs, err := timed(ctx, plan{chain: chain, costs: statedCosts, at: at}, ourSync)
				if err != nil {
					return nil, fmt.Errorf("ours, seed %d: %w", seed, err)
				}
				if wrong == nil {
					wrong = badOurs
				}
				if wrong == nil && badPeer != nil {
					wrong = fmt.Errorf("the peer: %w", badPeer)
				}
				ratios, peers, mine = append(ratios, theirs/own), append(peers, theirs), append(mine, own)
			}
			r := figure(title, w, median(ratios), wrong)
			r.Spread, r.Costs = spreadOf(ratios), statedCosts.String()
			r.Note = fmt.Sprintf("median of the peer %.0f ms, of ours %.0f ms (cold, confirmation included); the peer asks one by one, ours %d at a time; a seed a round",
				1000*median(peers), 1000*median(mine), headsync.Concurrency)
			return []row{r}, nil
		},
	}
}

// on gives a function a fresh pair and ends it again.
func on(ctx context.Context, p plan, do func(*rig) error) error {
	r, err := newRig(ctx, p)
	if err != nil {
		return err
	}
	return errors.Join(do(r), r.close())
}

// timed runs one head sync on a fresh pair and checks what gwat then has.
func timed(ctx context.Context, p plan, sync func(context.Context, *rig) (time.Duration, error)) (seconds float64, wrong, err error) {
	err = on(ctx, p, func(r *rig) error {
		took, err := sync(ctx, r)
		seconds, wrong = took.Seconds(), r.check(p.chain.now())
		return err
	})
	return seconds, wrong, err
}

func peerSync(ctx context.Context, r *rig) (time.Duration, error) {
	p, err := newPeer(ctx, r)
	if err != nil {
		return 0, err
	}
	defer p.close()
	begin := time.Now()
	err = p.run(ctx)
	return time.Since(begin), err
}

func ourSync(ctx context.Context, r *rig) (time.Duration, error) {
	o, err := newOurs(r)
	if err != nil {
		return 0, err
	}
	defer o.close()
	begin := time.Now()
	err = o.run(ctx)
	return time.Since(begin), err
}
