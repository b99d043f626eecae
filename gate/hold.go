package gate

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue holds calls: in order of arrival, one at a time, again and again until
// gwat takes them or their time is over. Locks keep all of them away from gwat.
type queue struct {
	mu      sync.Mutex
	waiting []*held       // in order of arrival; the first has its turn
	trying  bool          // the first one is at gwat
	passed  bool          // the last try since the release was in vain
	lockers int           // that wait for the lock; they go first once passed
	lock    *lease        // nil while nobody has it
	changed chan struct{} // closed and replaced whenever one of the above changes
}

// held is a call that waits.
type held struct{ arrived time.Time }

// lease is a Lock in force.
type lease struct{ timer *time.Timer }

// verdict is how a held call ended.
type verdict int

const (
	taken    verdict = iota // gwat's answer counts
	absorbed                // answered without gwat
	gone                    // nobody waits for the answer any more
)

// attempt is one try of a held call. It reports whether asking again may help,
// and what went wrong.
type attempt func(ctx context.Context, tries int) (again bool, err error)

// times are the durations of a hold.
type times struct{ absorb, retry time.Duration }

// wait holds a call that arrived at the given time. It returns when an attempt is final, when
// the call is absorbed (its time is over, or stop is closed), or when the caller's ctx ends.
// err is the error of the last attempt.
func (q *queue) wait(ctx context.Context, arrived time.Time, t times, stop <-chan struct{}, try attempt) (v verdict, tries int, err error) {
	h := &held{arrived: arrived}
	q.join(h)
	inVain := false
	defer func() { q.leave(h, inVain) }()
	over := time.NewTimer(t.absorb - time.Since(arrived))
	defer over.Stop()
	limited, cancel := context.WithDeadline(ctx, arrived.Add(t.absorb))
	defer cancel()
	defer onClose(limited, stop, cancel)()

	for {
		first, free, changed := q.turn(h)
		if !first || !free {
			// Absorbed in order, too: an older head answered last would set the
			// beacon node's head back.
			var limit <-chan time.Time
			var stopped <-chan struct{}
			if first {
				limit, stopped = over.C, stop
			}
			select {
			case <-ctx.Done():
				return gone, tries, err
			case <-limit:
				return absorbed, tries, err
			case <-stopped:
				return absorbed, tries, err
			case <-changed:
			}
			continue
		}
		if limited.Err() != nil {
			return ended(ctx), tries, err
		}
		tries++
		again, tryErr := try(limited, tries)
		if !again {
			return taken, tries, tryErr
		}
		cut := limited.Err() != nil
		if !cut || err == nil {
			err = tryErr // and not that the last attempt was cut short
		}
		if cut {
			inVain = true
			return ended(ctx), tries, err
		}
		q.triedInVain()
		select {
		case <-limited.Done():
			return ended(ctx), tries, err
		case <-time.After(t.retry):
		}
	}
}

func ended(ctx context.Context) verdict {
	if ctx.Err() != nil {
		return gone
	}
	return absorbed
}

// onClose calls fn when ch is closed, unless ctx or the returned function ends it before.
func onClose(ctx context.Context, ch <-chan struct{}, fn func()) (end func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-ch:
			fn()
		case <-ctx.Done():
		case <-done:
		}
	}()
	return func() { close(done) }
}

func (q *queue) join(h *held) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.passed = false
	}
	q.waiting = append(q.waiting, h)
	q.wake()
}

// leave ends the wait of h, and its try if it is at gwat, in vain or not: in one step,
// so that nobody acts in between.
func (q *queue) leave(h *held, inVain bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting[0] == h {
		q.trying, q.passed = false, inVain
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(other *held) bool { return other == h })
	q.wake()
}

// turn reports whether h is the first and may be tried; if both, its try has begun,
// and ends with triedInVain or leave.
func (q *queue) turn(h *held) (first, free bool, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	first, free = q.waiting[0] == h, q.lock == nil && (q.lockers == 0 || !q.passed)
	if first && free {
		q.trying = true
	}
	return first, free, q.watch()
}

// triedInVain ends a try of a call that stays.
func (q *queue) triedInVain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trying, q.passed = false, true
	q.wake()
}

// watch returns a channel that is closed at the next change; q.mu is held.
func (q *queue) watch() <-chan struct{} {
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return q.changed
}

// wake ends every wait; q.mu is held.
func (q *queue) wake() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

func (q *queue) status() (n int, since time.Time, locked bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		since = q.waiting[0].arrived
	}
	return len(q.waiting), since, q.lock != nil
}

// Lock keeps held calls away from gwat until release is called: for the time in
// which syncd has gwat's head lock. It waits until no held call is at gwat, and
// until those that wait were let through since the last release, up to the first
// that gwat does not take: a push in several batches lets what waits through in
// between. It fails only when ctx ends. A
// lock that is not released ends after Config.Lease.
func (g *Gate) Lock(ctx context.Context) (release func(), err error) {
	q := &g.hold
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lockers++
	defer func() {
		q.lockers--
		q.wake()
	}()
	for q.lock != nil || q.trying || (len(q.waiting) > 0 && !q.passed) {
		changed := q.watch()
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		q.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	l := &lease{}
	l.timer = time.AfterFunc(g.cfg.Lease, func() {
		if q.release(l) {
			g.cfg.Log.WithField("after", g.cfg.Lease).Error("the gate's lock was not released: calls pass again")
		}
	})
	q.lock = l
	return func() { q.release(l) }, nil
}

// release ends l and reports whether it was in force.
func (q *queue) release(l *lease) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l.timer.Stop()
	if q.lock != l {
		return false
	}
	q.lock, q.passed = nil, false
	q.wake()
	return true
}
