package headsync

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// checkedBatch is a batch with what gwat lacks of it, or why there is none.
type checkedBatch struct {
	entries []Entry
	missing *MissingSpine // what comes after entries cannot be pushed
	err     error
}

// makeBatches makes batches of first and what follows, and reads ahead whether gwat
// has their blocks, but for those known. A short one that gwat cannot take whole is left for later.
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
			if len(batch.Entries) > 0 && !send(true) { // nothing after it, but what is before it (S2)
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

// checked reads whether gwat has the spines of a batch. What comes before a
// missing one is pushed if the batch was a full one; a short one waits whole.
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
