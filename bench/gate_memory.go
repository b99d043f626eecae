package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	inFlight   = 100
	hugeAnswer = 64 << 20
)

var gateMemoryRows = []rowName{{"gate: RSS with 100 answers of 64 MiB in flight", atMost(80, "MiB")}}

var gateMemory = subject{name: "gate-memory", rows: gateMemoryRows, measure: measureGateMemory, process: true, bound: 4 * time.Minute}

// measureGateMemory has as many callers ask for a large answer each, holds all of them
// where the answers have begun, then reads them to their end. The peak is of all of it.
func measureGateMemory(ctx context.Context, b *bench) (rows []row, err error) {
	g, err := b.newGated(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	size := max(int(hugeAnswer*b.scale), bigAnswer)
	begun := make(chan struct{}, inFlight)
	goOn := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	for range inFlight {
		group.Go(func() error {
			c := newClient(g.address, fmt.Sprintf(bytesCall, size))
			defer c.close()
			c.within = 3 * time.Minute
			if err := c.send(); err != nil {
				return err
			}
			length, err := c.in.head()
			if err != nil {
				return err
			}
			begun <- struct{}{}
			select {
			case <-goOn:
			case <-ctx.Done():
				return ctx.Err()
			}
			if n, err := c.in.r.Discard(length); err != nil || n != size {
				return fmt.Errorf("an answer of %d bytes, want %d: %w", n, size, err)
			}
			return nil
		})
	}
	var held float64
	group.Go(func() error {
		for range inFlight {
			select {
			case <-begun:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		var err error
		held, err = memoryOf(g.pid(), "VmRSS")
		close(goOn)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, g.explain(err)
	}
	peak, err := memoryOf(g.pid(), "VmHWM")
	if err != nil {
		return nil, err
	}
	r := figure(gateMemoryRows[0].name, gateMemoryRows[0].want, peak, nil)
	r.Note = fmt.Sprintf("VmHWM of syncd from its start to the end of the last answer; %s MiB while all callers held still", short(held))
	return []row{r}, nil
}
