package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	throughputRounds = 5
	throughputFor    = 2 * time.Second // a round of one of the two
	bigAnswer        = 1 << 20
)

var throughputRows = []rowName{
	{"gate: eth_blockNumber a second / nginx's", atLeast(0.5, "")},
	{"gate: answers of 1 MiB a second / nginx's", atLeast(0.8, "")},
}

var gateThroughput = subject{name: "gate-throughput", rows: throughputRows, measure: measureThroughput, process: true, bound: 3 * time.Minute}

// measureThroughput has gate and nginx, each a process of its own before the same gwat,
// answer in turn as many calls as they can.
func measureThroughput(ctx context.Context, b *bench) (rows []row, err error) {
	if _, err := findProxy(); err != nil {
		return skipped(throughputRows, err), nil
	}
	g, err := b.newGated(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	p, err := b.newProxy(ctx, g.gwat)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	during := throughputFor
	if b.short {
		during /= 10
	}
	for i, calls := range []struct {
		body        string
		connections int
	}{{numberCall, 16}, {fmt.Sprintf(bytesCall, bigAnswer), 4}} {
		var ratios, theirs, ours, theirCPU, ourCPU []float64
		for range b.rounds(throughputRounds) {
			their, cpu, err := costly(ctx, p.daemon, p.address, calls.body, calls.connections, during)
			if err != nil {
				return nil, fmt.Errorf("through nginx: %w; it said: %s", err, p.out)
			}
			theirs, theirCPU = append(theirs, their), append(theirCPU, cpu)
			our, cpu, err := costly(ctx, g.daemon, g.address, calls.body, calls.connections, during)
			if err != nil {
				return nil, g.explain(fmt.Errorf("through the gate: %w", err))
			}
			ours, ourCPU = append(ours, our), append(ourCPU, cpu)
			ratios = append(ratios, our/their)
		}
		r := figure(throughputRows[i].name, throughputRows[i].want, median(ratios), nil)
		r.Spread = spreadOf(ratios)
		r.Note = fmt.Sprintf("%d connections that are kept; medians: the gate %s a second with %s µs of CPU each, nginx %s with %s µs (one worker, connections to gwat kept); caller and gwat share the cores with them",
			calls.connections, short(median(ours)), short(median(ourCPU)), short(median(theirs)), short(median(theirCPU)))
		rows = append(rows, r)
	}
	return rows, nil
}

// costly is rate with the microseconds of CPU that a program used for each call.
func costly(ctx context.Context, d *daemon, address, body string, connections int, during time.Duration) (perSecond, cpu float64, err error) {
	before, err := cpuOf(d.pid())
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	if perSecond, err = rate(ctx, address, body, connections, during); err != nil {
		return 0, 0, err
	}
	calls := perSecond * time.Since(begin).Seconds()
	after, err := cpuOf(d.pid())
	return perSecond, 1000 * milliseconds(after-before) / calls, err
}
