package apiclient

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/gwatsync/syncd/status"
)

// How often a syncd without a subscription is asked, and how often a lost
// subscription is tried again.
const (
	pollEvery = time.Second
	liveEvery = 10 * time.Second
)

// News is what Follow passes on: a snapshot, a stage change, or why there is
// neither.
type News struct {
	Snapshot *status.Snapshot
	Change   *status.Change
	Err      error
	Live     bool // it came over the subscription, not by asking
}

// Follow passes on what becomes of the pair until ctx ends, from one goroutine:
// over WebSocket as long as that lasts, by asking once a second when it does
// not. It goes on while syncd cannot be reached: it may just be restarting.
func (c *Client) Follow(ctx context.Context, report func(News)) {
	f := follower{client: c, report: report}
	for ctx.Err() == nil {
		f.subscribed(ctx)
		f.poll(ctx, time.Now().Add(liveEvery))
	}
}

// follower remembers what was passed on last.
type follower struct {
	client *Client
	report func(News)
	seq    uint64
	at     time.Time
}

func (f *follower) snapshot(s *status.Snapshot, live bool) {
	if s == nil || s.Seq == f.seq && s.At.Equal(f.at) { // a restarted syncd counts from 1 again
		return
	}
	f.seq, f.at = s.Seq, s.At
	f.report(News{Snapshot: s, Live: live})
}

// subscribed returns when there is no subscription or it has ended.
func (f *follower) subscribed(ctx context.Context) {
	dialCtx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	socket, err := rpc.DialOptions(dialCtx, f.client.ws, rpc.WithWebsocketDialer(f.client.dialer))
	if err != nil {
		return // the poll that follows reports what is wrong
	}
	defer socket.Close()
	snapshots, changes := make(chan *status.Snapshot, 16), make(chan *status.Change, 16)
	progress, err := socket.Subscribe(dialCtx, "syncd", snapshots, "progress")
	if err != nil {
		return
	}
	defer progress.Unsubscribe()
	stages, err := socket.Subscribe(dialCtx, "syncd", changes, "stage")
	if err != nil {
		return
	}
	defer stages.Unsubscribe()
	// The newest one: the subscription begins with the next.
	if now, err := f.client.Status(ctx); err == nil {
		f.snapshot(now, true)
	}
	for {
		select {
		case s := <-snapshots:
			f.snapshot(s, true)
		case c := <-changes:
			if c != nil {
				f.report(News{Change: c, Live: true})
			}
		case <-progress.Err():
			return
		case <-stages.Err():
			return
		case <-ctx.Done():
			return
		}
	}
}

// poll asks at once and then every second until a time; sooner, when syncd was
// away and is back, since it will take a subscription again.
func (f *follower) poll(ctx context.Context, until time.Time) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	away := false
	for ctx.Err() == nil && time.Now().Before(until) {
		s, err := f.client.Status(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			away = away || !errors.Is(err, ErrNothing)
			f.report(News{Err: err})
		default:
			f.snapshot(s, false)
			if away {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
