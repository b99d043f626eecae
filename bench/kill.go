package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

var killRows = []rowName{{"kill -9 in the middle of 20,000 entries: entries pushed again", atMost(1, "segment")}}

var killed = subject{name: "kill", rows: killRows, measure: measureKill, process: true, bound: 5 * time.Minute}

// measureKill kills syncd when gwat has half of the entries, starts it again on
// the same directory and counts from gwat's log what was pushed twice.
func measureKill(ctx context.Context, b *bench) ([]row, error) {
	const within = 4 * time.Minute // the lock's two minutes may have to pass
	chain, err := stalledNetwork(500, b.size(longPush), false)
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(b.programs, "data-")
	if err != nil {
		return nil, err
	}
	var out []row
	err = on(ctx, plan{chain: chain, costs: statedCosts, at: chain.atCheckpoint}, func(r *rig) error {
		head := r.head()
		first, err := b.startDaemon(r, data)
		if err != nil {
			return err
		}
		from := r.gwat.State().Finalized
		half := from + (chain.number(head)-from)/2
		err = waitFor(ctx, within, "half of the entries", func() bool { return r.gwat.State().Finalized >= half })
		first.kill()
		moment := time.Now()
		if err != nil {
			return first.explain(err)
		}
		second, err := b.startDaemon(r, data)
		if err != nil {
			return err
		}
		defer second.stop()
		if err := r.finalized(ctx, head, within); err != nil {
			return second.explain(err)
		}
		again := time.Since(moment)
		calls, _ := r.calls.all()
		largest, total := segments(calls)
		repeated := pushedAgain(calls, moment)
		w := atMost(float64(largest), "entries")
		result := figure(killRows[0].name, w, float64(repeated), r.check(head))
		result.Want = fmt.Sprintf("<= one segment (%d entries)", largest)
		result.Costs = statedCosts.String()
		result.Note = fmt.Sprintf("%d entries in %d pushes; from the kill to the end %s", total, len(calls), again.Round(100*time.Millisecond))
		out = append(out, result)
		return nil
	})
	return out, err
}
