package headsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/beaconclient"
)

// open reads the head, walks the chain up to it, and finds where to begin.
func (a *Attempt) open(ctx context.Context) error {
	read := a.readHead(ctx)
	justified, justifiedErr := a.justified(ctx)
	answer := <-read
	if answer.err != nil {
		return answer.err
	}
	head := answer.head
	a.result.Head = head
	if justifiedErr != nil {
		return justifiedErr
	}
	var err error
	if a.Takeover != nil {
		return a.openTakeover(ctx, head)
	}
	if a.Below == nil {
		err = a.openAt(ctx, head, min(justified, head.Slot), justified)
		if !errors.Is(err, ErrNoAnchor) {
			return err
		}
	}
	// gwat is not at the last checkpoint: search below it, from some epochs
	// before its last finalized block, and ever further down.
	latest, err := a.Gwat.Latest(ctx)
	if err != nil {
		return fmt.Errorf("read gwat's last finalized block: %w", err)
	}
	from := min(justified, latest.Slot, head.Slot)
	if a.Below != nil {
		from = min(from, *a.Below)
	}
	for step := primitives.Slot(2 * a.Spec.SlotsPerEpoch); ; step *= 2 {
		upTo := from
		from -= min(from, step)
		err := a.openBelow(ctx, head, from, min(justified, upTo+step))
		if !errors.Is(err, ErrNoAnchor) || from == 0 {
			return err
		}
	}
}

// head reads the beacon's head. It refuses a head in the future, from which a walk would go
// down for as long as the node answers.
func (a *Attempt) head(ctx context.Context) (beaconclient.Header, error) {
	head, err := a.Beacon.Header(ctx, beaconclient.Head)
	if err != nil {
		return head, fmt.Errorf("read the beacon's head: %w", err)
	}
	if clock := a.Spec.SlotAt(a.Now()); head.Slot > clock+1 {
		return head, fmt.Errorf("%w: the head is at slot %d, the clock at slot %d", ErrInconsistent, head.Slot, clock)
	}
	return head, nil
}

// headAnswer is what the beacon said of its head, and when.
type headAnswer struct {
	head beaconclient.Header
	at   time.Time
	err  error
}

// readHead reads the head in the background; the channel delivers one answer.
func (a *Attempt) readHead(ctx context.Context) <-chan headAnswer {
	out := make(chan headAnswer, 1)
	go func() {
		head, err := a.head(ctx)
		out <- headAnswer{head, a.Now(), err}
	}()
	return out
}

// openTakeover begins at the checkpoint of the ready that is in force. If that is no longer
// canonical nothing can follow it, and the lock is released.
func (a *Attempt) openTakeover(ctx context.Context, head beaconclient.Header) error {
	slot := a.Takeover.Slot
	err := a.openAt(ctx, head, slot, slot)
	if errors.Is(err, ErrNoAnchor) {
		return errors.Join(fmt.Errorf("%w: the checkpoint at slot %d of the ready in force", ErrReorg, slot), a.release(ctx))
	}
	return err
}

// openAt makes the newest usable block of the slots from to upTo the position.
func (a *Attempt) openAt(ctx context.Context, head beaconclient.Header, from, upTo primitives.Slot) error {
	return a.openBy(ctx, head, from, upTo, func(entries []Entry, view View) (Position, bool) {
		pos, ok := Anchor(entries, upTo, view)
		_, root := pos.Info()
		return pos, ok && (a.Takeover == nil || root == a.Takeover.Root)
	})
}

// openBelow makes the oldest one the position: what follows it is proved.
func (a *Attempt) openBelow(ctx context.Context, head beaconclient.Header, from, upTo primitives.Slot) error {
	return a.openBy(ctx, head, from, upTo, OldestAnchor)
}

func (a *Attempt) openBy(ctx context.Context, head beaconclient.Header, from, upTo primitives.Slot, anchor func([]Entry, View) (Position, bool)) error {
	warmed := a.Collector.warm(ctx, from, head.Slot) // both take a while
	chain, err := a.Collector.Chain(ctx, head, from)
	<-warmed
	if err != nil {
		return fmt.Errorf("name the blocks from slot %d to %d: %w", from, head.Slot, err)
	}
	a.chain = chain
	stream := a.Collector.Stream(ctx, chain, from)
	entries, err := stream.upTo(upTo)
	if err == nil && len(entries) == 0 {
		err = ErrNoAnchor
	} else if err != nil {
		err = fmt.Errorf("collect slots %d to %d: %w", from, upTo, err)
	}
	var pos Position
	if err == nil {
		pos, err = a.anchored(ctx, entries, anchor)
	}
	if err != nil {
		stream.Close()
		return err
	}
	a.pos = pos
	for a.next = 0; entries[a.next].Root != pos.Last.Root; {
		a.next++
	}
	a.next++
	stream.unread(entries[a.next:])
	a.stream = stream // it reads ahead already
	a.Collector.Forget(from)
	return nil
}

func (a *Attempt) anchored(ctx context.Context, entries []Entry, anchor func([]Entry, View) (Position, bool)) (Position, error) {
	view, err := ReadSpines(ctx, a.Gwat, entries)
	if err != nil {
		return Position{}, err
	}
	pos, ok := anchor(entries, view)
	if !ok {
		return pos, fmt.Errorf("%w from slot %d to %d", ErrNoAnchor, entries[0].Slot(), entries[len(entries)-1].Slot())
	}
	return pos, nil
}

// justified is the slot of the beacon's last checkpoint; 0 before there is one.
func (a *Attempt) justified(ctx context.Context) (primitives.Slot, error) {
	fin, err := a.Beacon.Finality(ctx, beaconclient.StateHead)
	if err != nil {
		return 0, fmt.Errorf("read the last checkpoint: %w", err)
	}
	if fin.CurrentJustified.IsGenesis() {
		return 0, nil
	}
	h, err := a.Beacon.Header(ctx, beaconclient.AtRoot(fin.CurrentJustified.Root))
	if err != nil {
		return 0, fmt.Errorf("read the block of the last checkpoint: %w", err)
	}
	return h.Slot, nil
}
