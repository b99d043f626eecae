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
	src     Source
	between CallSource // nil without a gate

	running sync.WaitGroup

	mu   sync.Mutex
	open map[*rpc.Client]int // by connection
}

// Stage is syncd_subscribe "stage": every stage change as it happens.
func (s *subscriptions) Stage(ctx context.Context) (*rpc.Subscription, error) {
	changes, cancel := s.src.Subscribe()
	return s.start(ctx, cancel, func(sub *subscriber) {
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
	snapshots, cancel := s.src.Updates()
	return s.start(ctx, cancel, func(sub *subscriber) {
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
	snapshots, cancel := s.src.Updates()
	return s.start(ctx, cancel, func(sub *subscriber) {
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

// start runs a subscription in a goroutine of its own, which ends with it. When it has
// ended, or cannot start, cancel is called.
func (s *subscriptions) start(ctx context.Context, cancel func(), run func(*subscriber)) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	conn, known := rpc.ClientFromContext(ctx)
	err := error(rpc.ErrNotificationsUnsupported)
	if ok && known {
		err = s.take(conn)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	sub := &subscriber{notifier.CreateSubscription(), notifier}
	s.running.Go(func() {
		defer s.release(conn)
		defer cancel()
		run(sub)
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
