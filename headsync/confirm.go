package headsync

import (
	"context"
	"fmt"
	"sync"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/counted"
)

// confirming is a push whose spines are to be read; its answer comes once. The reads
// begin when the next push is sent, or when nothing else is to be done: before that they
// would be in the way of the calls that gwat waits for.
type confirming struct {
	begin  func() // begins the reads, once
	answer chan confirmation
}

type confirmation struct {
	push  []Entry
	fresh int // how many of push were not proven before
	pos   Position
	err   error
}

// confirm moves the position over a push whose last spine gwat has finalized,
// and prepares to read whether gwat has finalized every spine of it.
func (a *Attempt) confirm(ctx context.Context, before tail, push []Entry) (*confirming, error) {
	base := a.pos.RolledBack()
	moved := base
	rest := len(push) // how many entries at the end name no spine
	for i := len(push) - 1; i >= 0; i-- {
		if _, has := push[i].Info.LastSpine(); !has {
			continue
		}
		rest = len(push) - 1 - i
		view, err := ReadSpines(ctx, a.Gwat, push[i:i+1])
		if err != nil {
			return nil, err
		}
		if moved.Confirm(push[i:i+1], view) == 0 {
			return nil, fmt.Errorf("%w: not what slot %d says", ErrNotConfirmed, push[i].Slot())
		}
		break
	}
	moved.Last, moved.Rest = push[len(push)-1], push[len(push)-rest:]
	fresh := max(len(push)-len(a.pos.Rest), 0)
	a.next += fresh
	a.pushed += fresh
	a.pos = moved
	out := &confirming{answer: make(chan confirmation, 1)}
	out.begin = sync.OnceFunc(func() {
		a.reads.Go(func() {
			c := a.readBack(ctx, base, before, push)
			c.fresh = fresh
			out.answer <- c
		})
	})
	a.unread = out
	return out, nil
}

// readBack reads whether gwat has finalized every spine of a push that followed base,
// and whether what was there before still is.
func (a *Attempt) readBack(ctx context.Context, base Position, before tail, push []Entry) confirmation {
	tailRead := make(chan error, 1)
	go func() { tailRead <- a.verifyTail(ctx, before) }()
	c := confirmation{push: push, pos: base}
	view, err := ReadSpines(ctx, a.Gwat, push)
	tailErr := <-tailRead
	if c.err = err; err != nil {
		return c
	}
	if n := c.pos.Confirm(push, view); n < len(push) {
		c.err = fmt.Errorf("%w: not what slot %d says, right: %s", ErrNotConfirmed, push[n].Slot(), counted.Part(n, len(push), "entry"))
		return c
	}
	c.err = tailErr
	return c
}

// confirmed waits for the reads of a push and stores what they prove (S7).
func (a *Attempt) confirmed(of *confirming) error {
	if of == nil {
		return nil
	}
	of.begin()
	c := <-of.answer
	if c.err != nil {
		return c.err
	}
	a.result.Pushed += c.fresh
	a.result.Spines = Spines(c.push)
	if spine, has := c.pos.Checkpoint.Info.LastSpine(); has {
		a.result.Confirmed = &checkpoint.Confirmed{
			Slot: c.pos.Checkpoint.Slot(), Root: c.pos.Checkpoint.Root, Spine: spine, Number: c.pos.Number, At: a.Now(),
		}
		a.Ledger.SetConfirmed(*a.result.Confirmed)
	}
	return nil
}
