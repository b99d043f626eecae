package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
)

// harvestEvery is after how many calls gwat's log is looked through; it keeps at
// least the last 32768.
const harvestEvery = 8192

// headCalls takes the calls of head sync out of gwat's log before block reads
// push them out of it.
type headCalls struct {
	node  *gwatsim.Node
	count atomic.Uint64
	due   chan struct{}

	mu      sync.Mutex
	seen    map[uint64]bool
	pushes  []gwatsim.Call
	readies []gwatsim.Call
}

func newHeadCalls(node *gwatsim.Node) *headCalls {
	h := &headCalls{node: node, due: make(chan struct{}, 1), seen: map[uint64]bool{}}
	node.SetFault(func(string) gwatsim.Fault { // no fault: it only counts
		if h.count.Add(1)%harvestEvery == 0 {
			select {
			case h.due <- struct{}{}:
			default:
			}
		}
		return gwatsim.Fault{}
	})
	return h
}

func (h *headCalls) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.due:
			h.harvest()
		}
	}
}

func (h *headCalls) harvest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.node.Calls() {
		if h.seen[c.Seq] {
			continue
		}
		switch c.Method {
		case "dag_headSync":
			h.pushes = append(h.pushes, c)
		case "dag_headSyncReady":
			h.readies = append(h.readies, c)
		default:
			continue
		}
		h.seen[c.Seq] = true
	}
}

// all are the dag_headSync and dag_headSyncReady calls that ended until now, each
// in the order in which they did.
func (h *headCalls) all() (pushes, readies []gwatsim.Call) {
	h.harvest()
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.pushes), slices.Clone(h.readies)
}

// gaps are the milliseconds between a push's end and the next one's begin, and
// those of them in which a ready ran.
func gaps(pushes, readies []gwatsim.Call) (all, inReady []float64) {
	for i := 1; i < len(pushes); i++ {
		from, to := pushes[i-1].End, pushes[i].Begin
		var ready time.Duration
		for _, r := range readies {
			if r.Begin.After(from) && r.End.Before(to) {
				ready += r.End.Sub(r.Begin)
			}
		}
		all, inReady = append(all, milliseconds(to.Sub(from))), append(inReady, milliseconds(ready))
	}
	return all, inReady
}

// busyShare is the part of the time from the first call's begin to the last
// one's end in which a call ran.
func busyShare(calls []gwatsim.Call) float64 {
	if len(calls) == 0 {
		return 0
	}
	var busy time.Duration
	begin, end := calls[0].Begin, calls[0].End
	for _, c := range calls {
		busy += c.End.Sub(c.Begin)
		if c.Begin.Before(begin) {
			begin = c.Begin
		}
		if c.End.After(end) {
			end = c.End
		}
	}
	return busy.Seconds() / end.Sub(begin).Seconds()
}

// pushedAgain counts the entries of calls that began after a moment and were in
// one that began before it.
func pushedAgain(calls []gwatsim.Call, moment time.Time) int {
	before := map[primitives.Slot]bool{}
	for _, c := range calls {
		if c.Begin.Before(moment) {
			for _, e := range c.Infos {
				before[e.Slot] = true
			}
		}
	}
	again := map[primitives.Slot]bool{}
	for _, c := range calls {
		if !c.Begin.Before(moment) {
			for _, e := range c.Infos {
				if before[e.Slot] {
					again[e.Slot] = true
				}
			}
		}
	}
	return len(again)
}

// segments tells the sizes of the pushes, in entries.
func segments(calls []gwatsim.Call) (largest, total int) {
	for _, c := range calls {
		largest, total = max(largest, len(c.Infos)), total+len(c.Infos)
	}
	return largest, total
}
