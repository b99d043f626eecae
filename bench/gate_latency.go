package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	latencyRate    = 500 // calls a second, and as many direct ones between them
	latencyFor     = 20 * time.Second
	latencyCallers = 16
)

var latencyRows = []rowName{
	{"gate: added latency at 500 calls a second, p50", atMost(0.15, "ms")},
	{"gate: added latency at 500 calls a second, p99", atMost(1, "ms")},
}

var gateLatency = subject{name: "gate-latency", rows: latencyRows, measure: measureLatency, process: true, bound: 2 * time.Minute}

// measureLatency makes calls at a fixed rate, in turn through the gate and direct. A call
// counts from the moment at which it is due, so that one that waits for another counts whole.
func measureLatency(ctx context.Context, b *bench) (rows []row, err error) {
	g, err := b.newGated(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	during := latencyFor
	if b.short {
		during /= 20
	}
	direct, through, err := paced(ctx, g.gwat.listener.Addr().String(), g.address, during)
	if err != nil {
		return nil, g.explain(err)
	}
	for i, p := range []float64{50, 99} {
		slow, fast := percentile(through, p), percentile(direct, p)
		r := figure(latencyRows[i].name, latencyRows[i].want, max(slow-fast, 0), nil)
		r.Note = fmt.Sprintf("eth_blockNumber over HTTP, %d calls through the gate and as many direct, in turn; p%.0f through the gate %s ms, direct %s ms",
			len(through), p, short(slow), short(fast))
		rows = append(rows, r)
	}
	return rows, nil
}

// paced makes calls to two addresses in turn and returns the milliseconds that they took.
func paced(ctx context.Context, direct, through string, during time.Duration) (toDirect, toThrough []float64, err error) {
	var mu sync.Mutex
	took := make([][]float64, 2)
	group, ctx := errgroup.WithContext(ctx)
	due := [2]chan time.Time{}
	for i, address := range []string{direct, through} {
		due[i] = make(chan time.Time, latencyCallers)
		for range latencyCallers / 2 {
			group.Go(func() error {
				c := newClient(address, numberCall)
				defer c.close()
				for at := range due[i] {
					if err := c.call(); err != nil {
						return err
					}
					ms := milliseconds(time.Since(at))
					mu.Lock()
					took[i] = append(took[i], ms)
					mu.Unlock()
				}
				return nil
			})
		}
	}
	group.Go(func() error {
		defer close(due[0])
		defer close(due[1])
		tick := time.NewTicker(time.Second / (2 * latencyRate))
		defer tick.Stop()
		end := time.Now().Add(during)
		for i := 0; time.Now().Before(end); i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case due[i%2] <- time.Now():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err = group.Wait()
	return took[0], took[1], err
}
