package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

const largePush = 64 << 20 // bytes

var largeRows = []rowName{{"a push of 64 MiB of entries over HTTP with gwat's limits", atLeast(64, "MiB")}}

var large = subject{name: "large", rows: largeRows, measure: measureLarge, bound: 3 * time.Minute}

// measureLarge pushes entries of 64 creators each through a request limit of
// 5 MiB and a write timeout of 30 s. Answers of the beacon node take no time, for
// the peer reads them one by one.
func measureLarge(ctx context.Context, b *bench) ([]row, error) {
	want := float64(largePush) * b.scale
	probe, err := wideNetwork(700, 100)
	if err != nil {
		return nil, err
	}
	sample, err := entryBytes(probe)
	if err != nil {
		return nil, err
	}
	chain, err := wideNetwork(700, int(1.02*want/sample))
	if err != nil {
		return nil, err
	}
	c := costs{Rollback: statedCosts.Rollback, Entry: statedCosts.Entry}
	p := plan{chain: chain, costs: c, at: chain.atCheckpoint}

	var peerErr error
	var peerTook time.Duration
	if err := on(ctx, p, func(r *rig) error { peerTook, peerErr = peerSync(ctx, r); return ctx.Err() }); err != nil {
		return nil, fmt.Errorf("the peer: %w", err)
	}
	var wrong error
	var took time.Duration
	var calls []gwatsim.Call
	err = on(ctx, p, func(r *rig) (err error) {
		if took, err = ourSync(ctx, r); err != nil {
			return err
		}
		calls, _ = r.calls.all()
		wrong = r.check(chain.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	sent, largest, err := sizes(calls)
	if err != nil {
		return nil, err
	}
	if peerErr == nil {
		wrong = errors.Join(wrong, errors.New("the peer's push did not fail"))
	}
	w := atLeast(want/(1<<20), "MiB")
	result := figure(largeRows[0].name, w, float64(sent)/(1<<20), wrong)
	result.Want = fmt.Sprintf("completes %s, the peer fails", w)
	result.Costs = c.String()
	result.Note = fmt.Sprintf("%s bytes an entry; ours: %d pushes, the largest %s MiB, %s, all confirmed; the peer after %s: %.160v",
		short(sample), len(calls), short(float64(largest)/(1<<20)), took.Round(100*time.Millisecond), peerTook.Round(100*time.Millisecond), peerErr)
	return []row{result}, nil
}

// entryBytes is the mean size of an entry on the wire.
func entryBytes(n *network) (float64, error) {
	head := n.now()
	total, count := 0, 0
	for b, ok := head, true; ok && b.Slot > n.checkpoint(head).Slot; b, ok = n.Block(b.ParentRoot) {
		data, err := json.Marshal(checkpoint.ConsensusInfo{Slot: b.Slot, Creators: world.Creators(n, b.Slot), Finalizing: b.Finalization})
		if err != nil {
			return 0, err
		}
		total, count = total+len(data)+1, count+1
	}
	return float64(total) / float64(count), nil
}

// sizes gives the bytes of all pushes and of the largest one.
func sizes(calls []gwatsim.Call) (total, largest int, err error) {
	for _, c := range calls {
		data, err := json.Marshal(c.Infos)
		if err != nil {
			return 0, 0, err
		}
		total, largest = total+len(data), max(largest, len(data))
	}
	return total, largest, nil
}
