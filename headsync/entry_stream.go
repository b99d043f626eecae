package headsync

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// streamAhead is how many entries a stream has read or is reading ahead of its reader.
const streamAhead = 4 * Concurrency

// EntryStream delivers the entries of a chain in order while it reads them in parallel.
// If one cannot be had, nothing after it is delivered (S2).
type EntryStream struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	queue  chan chan fetched // in order; each gets its entry once it is read
	broken error             // why the queue was closed early; set before that
	err    error
	back   []Entry // come first
}

type fetched struct {
	entry Entry
	err   error
}

// Stream starts to read the chain from an index on; Close ends it.
func (c *Collector) Stream(ctx context.Context, t HeaderChain, from int) *EntryStream {
	ctx, cancel := context.WithCancel(ctx)
	s := &EntryStream{cancel: cancel, queue: make(chan chan fetched, streamAhead)}
	s.done.Go(func() { s.read(ctx, c, t, from) })
	return s
}

func (s *EntryStream) read(ctx context.Context, c *Collector, t HeaderChain, from int) {
	defer close(s.queue)
	slots := make(chan struct{}, Concurrency)
	warmed := primitives.Epoch(0)
	for i := from; i < len(t.Refs); i++ {
		// The creators of the next epoch are there when its first block is asked for; a
		// stream of blocks that are there already asks for them when it comes to them.
		if next := c.spec.Epoch(t.Refs[i].Slot) + 1; next > warmed && next <= c.spec.Epoch(t.Tip().Slot) && !c.has(t.Refs[i].Root) {
			warmed = next
			s.done.Go(func() { _, _ = c.creatorsAt(ctx, c.spec.StartSlot(next)) })
		}
		got := make(chan fetched, 1)
		select {
		case s.queue <- got:
		case <-ctx.Done():
			s.broken = ctx.Err()
			return
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			got <- fetched{err: ctx.Err()}
			return
		}
		s.done.Go(func() {
			entry, err := c.entry(ctx, t, i)
			<-slots
			got <- fetched{entry, err}
		})
	}
}

// Next waits for the next entry; io.EOF after the last one. An error stays.
func (s *EntryStream) Next() (Entry, error) {
	if len(s.back) > 0 {
		next := s.back[0]
		s.back = s.back[1:]
		return next, nil
	}
	if s.err != nil {
		return Entry{}, s.err
	}
	got, ok := <-s.queue
	if !ok {
		if s.err = s.broken; s.err == nil {
			s.err = io.EOF
		}
		return Entry{}, s.err
	}
	next := <-got
	if next.err != nil {
		s.err = next.err
	}
	return next.entry, next.err
}

// upTo returns the entries up to a slot.
func (s *EntryStream) upTo(slot primitives.Slot) ([]Entry, error) {
	var out []Entry
	for {
		next, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		case next.Slot() > slot:
			s.unread([]Entry{next})
			return out, nil
		}
		out = append(out, next)
	}
}

// unread has entries come once more, before all others.
func (s *EntryStream) unread(entries []Entry) { s.back = append(slices.Clip(entries), s.back...) }

// Close ends the reading and waits for it.
func (s *EntryStream) Close() {
	s.cancel()
	s.done.Wait()
}
