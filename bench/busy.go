package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	longPush   = 20_000
	busyRounds = 3 // a push takes its twenty seconds
)

var busyRows = []rowName{{"share of time gwat is busy with headSync, 20,000 entries", atLeast(0.97, "")}}

var busy = subject{name: "busy", rows: busyRows, measure: measureBusy, bound: 3 * time.Minute}

// measureBusy reads from gwat's own log how much of the time from the first
// dag_headSync's begin to the last one's end such a call ran.
func measureBusy(ctx context.Context, b *bench) ([]row, error) {
	var shares, between, ready []float64
	var wrong error
	var pushes, largest, total int
	for seed := range uint64(b.rounds(busyRounds)) {
		chain, err := stalledNetwork(300+seed, b.size(longPush), true)
		if err != nil {
			return nil, err
		}
		err = on(ctx, plan{chain: chain, costs: statedCosts, at: chain.atCheckpoint}, func(r *rig) error {
			_, err := ourSync(ctx, r)
			calls, readies := r.calls.all()
			shares, pushes = append(shares, busyShare(calls)), len(calls)
			all, inReady := gaps(calls, readies)
			between, ready = append(between, all...), append(ready, inReady...)
			largest, total = segments(calls)
			wrong = errors.Join(wrong, r.check(chain.now()))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	r := figure(busyRows[0].name, busyRows[0].want, median(shares), wrong)
	r.Spread, r.Costs = spreadOf(shares), statedCosts.String()
	r.Note = fmt.Sprintf("%d entries in %d pushes of at most %d, by HTTP; by gwat's log, ready, confirmation and transport count as idle; between two pushes %s ms, of it %s ms in ready (medians)",
		total, pushes, largest, short(median(between)), short(median(ready)))
	return []row{r}, nil
}
