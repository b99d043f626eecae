package beaconclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// EventType is the name of an event on the wire.
type EventType string

// The events that are asked for.
const (
	EventHead      EventType = "head"
	EventFinalized EventType = "finalized_checkpoint"
)

// Event is one of three: a new head, a new finalized checkpoint, or a gap.
type Event struct {
	Type      EventType              // "" for a gap
	Head      *HeadEvent             // of EventHead
	Finalized *checkpoint.Checkpoint // of EventFinalized; the root is the block's
	Gap       bool                   // the stream was (re-)established: events may have been missed, catch up by REST
}

// HeadEvent is a new head of the node.
type HeadEvent struct {
	Slot            primitives.Slot
	Block           common.Hash // block root
	State           common.Hash // state root
	EpochTransition bool        // of this head, or of one that a slow reader has not seen
}

// StreamOptions tunes Events.
type StreamOptions struct {
	Silence time.Duration // reconnect after so long without an event; 0 is DefaultSilence
}

// DefaultSilence is several slots: the node stops sending after its own timeout
// of 120 s and leaves the connection open.
const DefaultSilence = 30 * time.Second

// Reconnects come after these waits; the first is short since most are the
// node's own timeout.
const (
	firstReconnect = 250 * time.Millisecond
	lastReconnect  = 10 * time.Second
)

// SkippedEvents counts what the event streams of this client held that was no
// readable event.
func (c *Client) SkippedEvents() uint64 { return c.skipped.Load() }

// Events follows the node's event stream until ctx ends, then closes the
// channel. It reconnects by itself, and sends a gap after each connect. A slow
// reader gets the newest head, the newest finalized checkpoint and the gap,
// never a queue. The reader of the stream is own code: the libraries at hand
// have no reconnect, no watchdog, and fail on long lines.
func (c *Client) Events(ctx context.Context, opts StreamOptions) <-chan Event {
	if opts.Silence <= 0 {
		opts.Silence = DefaultSilence
	}
	out := make(chan Event)
	go c.follow(ctx, opts.Silence, out)
	return out
}

// follow owns the stream: its goroutine alone sends to out and closes it. The
// reader of each connection has ended before the next one starts.
func (c *Client) follow(ctx context.Context, silence time.Duration, out chan<- Event) {
	defer close(out)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()

	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = firstReconnect, lastReconnect
	wait.RandomizationFactor = 0 // one client a node: there is no herd to spread
	box := mailbox{out: out}
	for ctx.Err() == nil {
		if c.connection(ctx, silence, &box) {
			wait.Reset()
		}
		pause := time.NewTimer(wait.NextBackOff())
		for waiting := true; waiting; {
			send, next := box.first()
			select {
			case send <- next:
				box.sent()
			case <-pause.C:
				waiting = false
			case <-ctx.Done():
				waiting = false
			}
		}
		pause.Stop()
	}
}

// connection follows one connection to its end and reports whether an event came
// of it; one that only opens is no success.
func (c *Client) connection(ctx context.Context, silence time.Duration, box *mailbox) (success bool) {
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	events := make(chan Event)
	go func() {
		defer close(events)
		c.readStream(ctx, events)
	}()
	watchdog := time.NewTimer(silence)
	defer watchdog.Stop()
	for {
		send, next := box.first()
		select {
		case send <- next:
			box.sent()
		case event, open := <-events:
			if !open {
				return success
			}
			box.put(event)
			watchdog.Reset(silence)
			success = success || !event.Gap
		case <-watchdog.C:
			hangUp()
		}
	}
}

// mailbox holds what the reader of the channel has not taken yet: at most one
// event of each sort.
type mailbox struct {
	out     chan<- Event
	pending []Event
}

// first returns the next event and the channel to send it on, nil if there is none.
func (m *mailbox) first() (chan<- Event, Event) {
	if len(m.pending) == 0 {
		return nil, Event{}
	}
	return m.out, m.pending[0]
}

func (m *mailbox) sent() { m.pending = m.pending[1:] }

// put adds event last and drops what it makes stale.
func (m *mailbox) put(event Event) {
	m.pending = append(slices.DeleteFunc(m.pending, func(old Event) bool {
		if old.Type != event.Type {
			return false
		}
		if old.Head != nil && old.Head.EpochTransition {
			event.Head.EpochTransition = true
		}
		return true
	}), event)
}

// readStream connects once and passes on events until the stream ends, the
// node says error, or ctx ends. What ends it is of no use to anybody: the
// follower reconnects in any case, and calls show a node that is down.
func (c *Client) readStream(ctx context.Context, events chan<- Event) {
	query := url.Values{"topics": {string(EventHead), string(EventFinalized)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address("/eth/v1/events", query), nil)
	if err != nil {
		return
	}
	if now := time.Now(); c.hold.Check(now) != nil || c.events.Check(now) != nil {
		return
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := c.stream.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if heldBack(&c.events, resp) > 0 || resp.StatusCode != http.StatusOK {
		return
	}
	pass := func(event Event) bool {
		select {
		case events <- event:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if !pass(Event{Gap: true}) {
		return
	}
	frames := newFrameReader(resp.Body)
	for {
		name, data, err := frames.next()
		switch {
		case errors.Is(err, errFrame):
			c.skipped.Add(1)
			continue
		case err != nil, name == "error":
			return
		}
		event, err := decodeEvent(EventType(name), data)
		if err != nil {
			c.skipped.Add(1)
			continue
		}
		if !pass(event) {
			return
		}
	}
}

func decodeEvent(name EventType, data []byte) (Event, error) {
	switch name {
	case EventHead:
		var in struct {
			Slot            *decimal     `json:"slot"`
			Block           *common.Hash `json:"block"`
			State           *common.Hash `json:"state"`
			EpochTransition *bool        `json:"epoch_transition"`
		}
		if err := json.Unmarshal(data, &in); err != nil {
			return Event{}, err
		}
		if err := missing(map[string]bool{"slot": in.Slot != nil, "block": in.Block != nil, "state": in.State != nil, "epoch_transition": in.EpochTransition != nil}); err != nil {
			return Event{}, err
		}
		return Event{Type: name, Head: &HeadEvent{primitives.Slot(*in.Slot), *in.Block, *in.State, *in.EpochTransition}}, nil
	case EventFinalized:
		var in struct {
			Epoch *decimal     `json:"epoch"`
			Block *common.Hash `json:"block"`
		}
		if err := json.Unmarshal(data, &in); err != nil {
			return Event{}, err
		}
		if err := missing(map[string]bool{"epoch": in.Epoch != nil, "block": in.Block != nil}); err != nil {
			return Event{}, err
		}
		return Event{Type: name, Finalized: &checkpoint.Checkpoint{Epoch: primitives.Epoch(*in.Epoch), Root: *in.Block}}, nil
	}
	return Event{}, fmt.Errorf("event %q was not asked for", failure.Text(string(name)))
}
