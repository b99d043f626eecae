package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const hugePush = 200_000

var memoryRows = []rowName{
	{"200,000 entries: peak RSS of syncd", atMost(64, "MiB")},
	{"200,000 entries: peak RSS / peak at 20,000", atMost(1.2, "")},
}

var memory = subject{name: "memory", rows: memoryRows, measure: measureMemory, process: true, bound: 9 * time.Minute}

// measureMemory has syncd, a process with default settings, push a short and a
// long stretch, and reads the peaks of its memory. gwat takes no time for an
// entry, so that the long one ends.
func measureMemory(ctx context.Context, b *bench) ([]row, error) {
	c := costs{Answer: statedCosts.Answer, Rollback: statedCosts.Rollback}
	small, wrongSmall, err := b.peak(ctx, b.size(longPush), c, 2*time.Minute)
	if err != nil {
		return nil, fmt.Errorf("the short push: %w", err)
	}
	large, wrongLarge, err := b.peak(ctx, b.size(hugePush), c, 6*time.Minute)
	if err != nil {
		return nil, fmt.Errorf("the long push: %w", err)
	}
	wrong := errors.Join(wrongSmall, wrongLarge)
	note := fmt.Sprintf("VmHWM of the process: %s MiB for %d entries in %s, %s MiB for %d entries in %s; the head moves on a slot a second",
		short(small.peak), small.entries, small.took, short(large.peak), large.entries, large.took)
	rows := []row{
		figure(memoryRows[0].name, memoryRows[0].want, large.peak, wrong),
		figure(memoryRows[1].name, memoryRows[1].want, large.peak/small.peak, wrong),
	}
	for i := range rows {
		rows[i].Costs, rows[i].Note = c.String(), note
	}
	return rows, nil
}

type peak struct {
	peak    float64 // MiB
	entries int
	took    time.Duration
}

// peak runs syncd until gwat has finalized what the beacon named at the start,
// and one poll longer, so that what follows the push is in the figure, too.
func (b *bench) peak(ctx context.Context, behind int, c costs, within time.Duration) (out peak, wrong, err error) {
	chain, err := stalledNetwork(400, behind, false)
	if err != nil {
		return out, nil, err
	}
	data, err := os.MkdirTemp(b.programs, "data-")
	if err != nil {
		return out, nil, err
	}
	err = on(ctx, plan{chain: chain, costs: c, at: chain.atCheckpoint}, func(r *rig) error {
		head := r.head()
		begin := time.Now()
		d, err := b.startDaemon(r, data)
		if err != nil {
			return err
		}
		defer d.stop()
		if err := r.finalized(ctx, head, within); err != nil {
			return d.explain(err)
		}
		out.entries, out.took = chain.entries(chain.checkpoint(head), head), time.Since(begin).Round(100*time.Millisecond)
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		wrong = r.check(head)
		out.peak, err = memoryOf(d.pid(), "VmHWM")
		return d.explain(err)
	})
	return out, wrong, err
}
