package headsync

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// checkedBatch is a batch with what gwat lacks of it, or the error that kept it from being made.
type checkedBatch struct {
	entries []Entry
	missing *MissingSpine // what comes after entries cannot be pushed
	err     error
}

// makeBatches makes batches of first and what follows in the stream. It reads ahead whether
// gwat has their blocks, except for those in known. A short batch of which gwat lacks a block is
// left for later.
func (a *Attempt) makeBatches(ctx context.Context, stream *EntryStream, first []Entry, known View, size func() int, out chan<- checkedBatch) {
	var batch Batch
	send := func(last bool) bool {
		c := a.checked(ctx, batch.Entries, known, !last)
		batch = Batch{}
		select {
		case out <- c:
			return c.err == nil && c.missing == nil
		case <-ctx.Done():
			return false
		}
	}
	after := a.chain.from
	for {
		var e Entry
		var err error
		if len(first) > 0 {
			e, first = first[0], first[1:]
		} else if e, err = stream.Next(); errors.Is(err, io.EOF) {
			send(true)
			return
		} else if err != nil {
			if len(batch.Entries) > 0 && !send(true) { // what comes before the failure is pushed, nothing after it (S2)
				return
			}
			select {
			case out <- checkedBatch{err: fmt.Errorf("collect after slot %d: %w", after, err)}:
			case <-ctx.Done():
			}
			return
		}
		after = e.Slot()
		if !batch.Add(e, a.Limits.Bytes, size()) {
			if !send(false) {
				return
			}
			batch.Add(e, a.Limits.Bytes, 1)
		}
	}
}

// checked reads whether gwat has the spines of a batch. If one is missing, a full batch is
// pushed up to it, and a short one waits as a whole.
func (a *Attempt) checked(ctx context.Context, entries []Entry, known View, full bool) checkedBatch {
	at, _ := firstMissing(entries, known)
	view, err := ReadSpines(ctx, a.Gwat, entries[at:])
	if err != nil {
		return checkedBatch{err: err}
	}
	n, spine := firstMissing(entries[at:], view)
	if n += at; n == len(entries) {
		return checkedBatch{entries: entries}
	}
	c := checkedBatch{missing: &MissingSpine{Spine: spine}}
	if full {
		c.entries = entries[:n]
	}
	return c
}
