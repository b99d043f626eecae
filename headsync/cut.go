package headsync

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// cut is a segment with what gwat was read to lack of it, or why none came.
type cut struct {
	entries []Entry
	missing *MissingSpine // what comes after entries cannot be pushed
	err     error
}

// cut makes segments of first and what follows, and reads ahead whether gwat
// has their blocks. A short one that gwat cannot take whole is left for later.
func (a *Attempt) cut(ctx context.Context, feed *Feed, first []Entry, size func() int, out chan<- cut) {
	var seg Segment
	send := func(last bool) bool {
		c := a.checked(ctx, seg.Entries, !last)
		seg = Segment{}
		select {
		case out <- c:
			return c.err == nil && c.missing == nil
		case <-ctx.Done():
			return false
		}
	}
	for {
		var e Entry
		var err error
		if len(first) > 0 {
			e, first = first[0], first[1:]
		} else if e, err = feed.Next(); errors.Is(err, io.EOF) {
			send(true)
			return
		} else if err != nil {
			if len(seg.Entries) > 0 && !send(true) { // nothing after it, but what is before it (S2)
				return
			}
			select {
			case out <- cut{err: fmt.Errorf("collect after slot %d: %w", a.trail.Refs[0].Slot, err)}:
			case <-ctx.Done():
			}
			return
		}
		if !seg.Add(e, a.Limits.Bytes, size()) {
			if !send(false) {
				return
			}
			seg.Add(e, a.Limits.Bytes, 1)
		}
	}
}

// checked reads whether gwat has the spines of a segment. What comes before a
// missing one is pushed if the segment was a full one; a short one waits whole.
func (a *Attempt) checked(ctx context.Context, entries []Entry, full bool) cut {
	view, err := ReadSpines(ctx, a.Gwat, entries)
	if err != nil {
		return cut{err: err}
	}
	n, spine := firstMissing(entries, view)
	if n == len(entries) {
		return cut{entries: entries}
	}
	c := cut{missing: &MissingSpine{Spine: spine}}
	if full {
		c.entries = entries[:n]
	}
	return c
}
