package api

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/gwatsync/syncd/status"
)

const (
	// maxSubscriptions of one connection.
	maxSubscriptions = 8
	// progressPause is the least time between two snapshots to one subscriber.
	progressPause = 250 * time.Millisecond
)

// subscriptions holds what syncd_subscribe offers over WebSocket; each ends with
// its connection, by syncd_unsubscribe, or with the pair.
type subscriptions struct {
	src     safeSource
	between CallSource // nil without a gate

	running sync.WaitGroup

	mu   sync.Mutex
	open map[*rpc.Client]int // by connection
}

// Stage is syncd_subscribe "stage": every stage change as it happens.
func (s *subscriptions) Stage(ctx context.Context) (*rpc.Subscription, error) {
	return s.start(ctx, func(sub *subscriber) {
		changes, cancel := s.src.src.Subscribe()
		defer cancel()
		for {
			select {
			case c, ok := <-changes:
				if !ok || sub.notify(c) != nil {
					return
				}
			case <-sub.Err():
				return
			}
		}
	})
}

// Progress is syncd_subscribe "progress": the present snapshot and each new one,
// at most four a second; what a reader is too slow for is left out.
func (s *subscriptions) Progress(ctx context.Context) (*rpc.Subscription, error) {
	return s.start(ctx, func(sub *subscriber) {
		snapshots, cancel := s.src.src.Updates()
		defer cancel()
		pause := time.NewTimer(0)
		defer pause.Stop()
		for {
			select {
			case <-pause.C:
			case <-sub.Err():
				return
			}
			select {
			case snap, ok := <-snapshots:
				if !ok || snap != nil && sub.notify(snap) != nil {
					return
				}
				pause.Reset(progressPause)
			case <-sub.Err():
				return
			}
		}
	})
}

// Findings is syncd_subscribe "findings": the present findings, and all of them
// again when one comes, goes or changes its severity, or the verdict changes.
func (s *subscriptions) Findings(ctx context.Context) (*rpc.Subscription, error) {
	return s.start(ctx, func(sub *subscriber) {
		snapshots, cancel := s.src.src.Updates()
		defer cancel()
		var last *status.Snapshot
		for {
			select {
			case snap, ok := <-snapshots:
				if !ok {
					return
				}
				if snap == nil || last != nil && sameFindings(last, snap) {
					continue
				}
				if sub.notify(findingsOf(snap)) != nil {
					return
				}
				last = snap
			case <-sub.Err():
				return
			}
		}
	})
}

func sameFindings(a, b *status.Snapshot) bool {
	return a.Verdict == b.Verdict && slices.EqualFunc(a.Findings, b.Findings, func(x, y status.Finding) bool {
		return x.Name == y.Name && x.Severity == y.Severity && x.ExplainedBy == y.ExplainedBy && x.Since.Equal(y.Since)
	})
}

// subscriber is one subscription of one connection.
type subscriber struct {
	*rpc.Subscription
	notifier *rpc.Notifier
}

func (s *subscriber) notify(what any) error { return s.notifier.Notify(s.ID, what) }

// start runs a subscription in a goroutine of its own, which ends with it.
func (s *subscriptions) start(ctx context.Context, run func(*subscriber)) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	conn, known := rpc.ClientFromContext(ctx)
	if !ok || !known {
		return nil, rpc.ErrNotificationsUnsupported
	}
	if err := s.take(conn); err != nil {
		return nil, err
	}
	sub := &subscriber{notifier.CreateSubscription(), notifier}
	s.running.Go(func() {
		defer s.release(conn)
		_ = s.src.call("subscribe", func() error { run(sub); return nil }) // a crash is in the log
	})
	return sub.Subscription, nil
}

func (s *subscriptions) take(conn *rpc.Client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[conn] >= maxSubscriptions {
		return &rpcError{code: CodeLimit, msg: fmt.Sprintf("this connection has %d subscriptions already; unsubscribe one", maxSubscriptions)}
	}
	if s.open == nil {
		s.open = map[*rpc.Client]int{}
	}
	s.open[conn]++
	return nil
}

func (s *subscriptions) release(conn *rpc.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[conn]--; s.open[conn] == 0 {
		delete(s.open, conn)
	}
}
