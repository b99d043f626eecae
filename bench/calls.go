package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/simnet/gwatsim"
)

// harvestEvery is after how many calls gwat's log is looked through; it keeps at
// least the last 32768.
const harvestEvery = 8192

// headCalls takes the dag_headSync calls out of gwat's log before block reads
// push them out of it.
type headCalls struct {
	node  *gwatsim.Node
	count atomic.Uint64
	due   chan struct{}

	mu   sync.Mutex
	seen map[uint64]bool
	list []gwatsim.Call
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
		if c.Method == "dag_headSync" && !h.seen[c.Seq] {
			h.seen[c.Seq] = true
			h.list = append(h.list, c)
		}
	}
}

// all are the dag_headSync calls that ended until now.
func (h *headCalls) all() []gwatsim.Call {
	h.harvest()
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]gwatsim.Call(nil), h.list...)
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
