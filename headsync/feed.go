package headsync

import (
	"context"
	"io"
	"sync"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// feedAhead is how many entries a feed has read or is reading ahead of its reader.
const feedAhead = 4 * Concurrency

// Feed delivers the entries of a trail in order while it reads them in parallel.
// If one cannot be had, nothing after it is delivered (S2).
type Feed struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	queue  chan chan fetched // in order; each gets its entry once it is read
	cut    error             // why the queue was closed early; set before that
	err    error
}

type fetched struct {
	entry Entry
	err   error
}

// Feed starts to read the trail from an index on; Close ends it.
func (c *Collector) Feed(ctx context.Context, t Trail, from int) *Feed {
	ctx, cancel := context.WithCancel(ctx)
	f := &Feed{cancel: cancel, queue: make(chan chan fetched, feedAhead)}
	f.done.Go(func() { f.read(ctx, c, t, from) })
	return f
}

func (f *Feed) read(ctx context.Context, c *Collector, t Trail, from int) {
	defer close(f.queue)
	slots := make(chan struct{}, Concurrency)
	warmed := primitives.Epoch(0)
	for i := from; i < len(t.Refs); i++ {
		// The creators of the next epoch are there when its first block is asked for; a
		// feed of blocks that are there already asks for them when it comes to them.
		if next := c.spec.Epoch(t.Refs[i].Slot) + 1; next > warmed && next <= c.spec.Epoch(t.Tip().Slot) && !c.has(t.Refs[i].Root) {
			warmed = next
			f.done.Go(func() { _, _ = c.creatorsAt(ctx, c.spec.StartSlot(next)) })
		}
		got := make(chan fetched, 1)
		select {
		case f.queue <- got:
		case <-ctx.Done():
			f.cut = ctx.Err()
			return
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			got <- fetched{err: ctx.Err()}
			return
		}
		f.done.Go(func() {
			entry, err := c.entry(ctx, t, i)
			<-slots
			got <- fetched{entry, err}
		})
	}
}

// Next waits for the next entry; io.EOF after the last one. An error stays.
func (f *Feed) Next() (Entry, error) {
	if f.err != nil {
		return Entry{}, f.err
	}
	got, ok := <-f.queue
	if !ok {
		if f.err = f.cut; f.err == nil {
			f.err = io.EOF
		}
		return Entry{}, f.err
	}
	next := <-got
	if next.err != nil {
		f.err = next.err
	}
	return next.entry, next.err
}

// Close ends the reading and waits for it.
func (f *Feed) Close() {
	f.cancel()
	f.done.Wait()
}
