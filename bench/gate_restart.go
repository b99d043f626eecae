package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	restarts       = 20
	restartCallers = 16
	restartPause   = 250 * time.Millisecond // of load between two restarts
)

var restartRows = []rowName{{"gate: calls lost over 20 restarts of syncd under load", atMost(0, "calls")}}

var gateRestart = subject{name: "gate-restart", rows: restartRows, measure: measureRestart, process: true, bound: 3 * time.Minute}

// measureRestart stops and starts syncd again and again while callers call without a
// pause. The gate's socket outlives it, as one of the service manager's does. A call is
// lost if its answer is not gwat's.
func measureRestart(ctx context.Context, b *bench) (rows []row, err error) {
	g, err := b.newGated(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	l := beginLoad(ctx, g.address)
	away, err := g.restart(ctx, b.rounds(restarts))
	first := l.end()
	if err != nil {
		return nil, err
	}
	var wrong error
	if first != nil {
		wrong = fmt.Errorf("the first lost call: %w", first)
	}
	r := figure(restartRows[0].name, restartRows[0].want, float64(l.lost.Load()), wrong)
	r.Note = fmt.Sprintf("%d calls by %d callers that keep their connections, %d restarts; from a syncd's end to the next one's first answer %s ms (median), at most %s ms",
		l.calls.Load(), restartCallers, len(away), short(median(away)), short(percentile(away, 100)))
	return []row{r}, nil
}

// restart stops and starts syncd so often and returns the milliseconds from each end to
// the next answer.
func (g *gated) restart(ctx context.Context, count int) (away []float64, err error) {
	for range count {
		select {
		case <-time.After(restartPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		g.stop()
		begin := time.Now()
		if err := g.start(ctx); err != nil {
			return nil, err
		}
		away = append(away, milliseconds(time.Since(begin)))
	}
	return away, nil
}

// load is callers that call one after the other without a pause.
type load struct {
	calls, lost atomic.Int64
	first       atomic.Pointer[error]
	stop        context.CancelFunc
	callers     sync.WaitGroup
}

func beginLoad(ctx context.Context, address string) *load {
	l := &load{}
	ctx, l.stop = context.WithCancel(ctx)
	for range restartCallers {
		l.callers.Go(func() {
			c := newClient(address, numberCall)
			defer c.close()
			for ctx.Err() == nil {
				if err := c.call(); err != nil {
					l.lost.Add(1)
					l.first.CompareAndSwap(nil, &err)
				}
				l.calls.Add(1)
			}
		})
	}
	return l
}

// end ends the load and returns the first call's error, if one was lost.
func (l *load) end() error {
	l.stop()
	l.callers.Wait()
	if err := l.first.Load(); err != nil {
		return *err
	}
	return nil
}
