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
// If one cannot be read, nothing after it is delivered (S2).
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

// namesAhead is how many blocks of a chain are named ahead of their reading.
const namesAhead = 4 * keptEvery

// Stream starts to read the chain from a slot on; Close ends it.
func (c *Collector) Stream(ctx context.Context, chain HeaderChain, from primitives.Slot) *EntryStream {
	ctx, cancel := context.WithCancel(ctx)
	s := &EntryStream{cancel: cancel, queue: make(chan chan fetched, streamAhead)}
	names := make(chan named, namesAhead)
	var namesErr error // set before names is closed
	s.done.Go(func() {
		defer close(names)
		namesErr = c.names(ctx, chain, from, names)
	})
	s.done.Go(func() {
		defer close(s.queue)
		if s.broken = s.read(ctx, c, names, chain.Tip().Slot); s.broken == nil {
			s.broken = namesErr
		}
	})
	return s
}

// read starts the reads of the named blocks; it returns when all have begun.
func (s *EntryStream) read(ctx context.Context, c *Collector, names <-chan named, tip primitives.Slot) error {
	slots := make(chan struct{}, Concurrency)
	warmed := primitives.Epoch(0)
	for ref := range names {
		// The creators of the next epoch are there when its first block is asked for; a
		// stream of blocks that are there already asks for them when it comes to them.
		if next := c.spec.Epoch(ref.Slot) + 1; next > warmed && next <= c.spec.Epoch(tip) && !c.has(ref.Root) {
			warmed = next
			s.done.Go(func() { _, _ = c.creatorsAt(ctx, c.spec.StartSlot(next)) })
		}
		got := make(chan fetched, 1)
		select {
		case s.queue <- got:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			got <- fetched{err: ctx.Err()}
			return ctx.Err()
		}
		s.done.Go(func() {
			entry, err := c.entry(ctx, ref)
			<-slots
			got <- fetched{entry, err}
		})
	}
	return nil
}

// Next waits for the next entry; io.EOF after the last one. After an error it returns the
// same error again.
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

// unread puts entries back: Next returns them again, before all others.
func (s *EntryStream) unread(entries []Entry) { s.back = append(slices.Clip(entries), s.back...) }

// Close ends the reads and waits for them.
func (s *EntryStream) Close() {
	s.cancel()
	s.done.Wait()
}
