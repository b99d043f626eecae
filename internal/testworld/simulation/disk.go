package simulation

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/journal"
)

// disk holds the journal over the incarnations of syncd. A commit is a step: until it
// has run nothing is durable.
type disk struct {
	run       *run
	content   *journal.Memory
	note      string // what the next open has to report
	full      bool
	low, high time.Duration // what a slow disk adds to a commit
	mu        sync.Mutex
	open      []*commit
	pending   []pendingCommit
	confirmed []confirmedCommit
}

func newDisk(r *run) *disk { return &disk{run: r, content: journal.NewMemory()} }

// pendingCommit is a durable change of what the journal says to be pending.
type pendingCommit struct {
	at          time.Duration
	incarnation int
	value       *checkpoint.Pending // nil: cleared
}

// confirmedCommit is one of the last confirmed entry.
type confirmedCommit struct {
	at          time.Duration
	incarnation int
	value       *checkpoint.Confirmed
}

// commit is a write that has not returned yet.
type commit struct {
	what  string
	write func() error
	after func()
	err   error
	done  chan struct{}
}

// store is the disk as one incarnation of syncd sees it.
type store struct {
	*disk
	incarnation *incarnation
}

func (s store) Get(key string) ([]byte, error) {
	if s.incarnation.dead.Load() {
		return nil, errDead
	}
	return s.content.Get(key)
}

func (s store) Newest(limit int) ([][]byte, error) {
	if s.incarnation.dead.Load() {
		return nil, errDead
	}
	return s.content.Newest(limit)
}

func (s store) Close() error { return nil }

func (s store) Set(values map[string][]byte) error {
	keys := slices.Sorted(maps.Keys(values))
	return s.commit("set "+strings.Join(keys, ","), func() error { return s.content.Set(values) }, func() { s.noted(values) })
}

func (s store) Append(value []byte, keep int) error {
	return s.commit("append", func() error { return s.content.Append(value, keep) }, func() {})
}

func (s store) commit(what string, write func() error, after func()) error {
	if s.incarnation.dead.Load() {
		return errDead
	}
	c := &commit{what: what, write: write, after: after, done: make(chan struct{})}
	s.mu.Lock()
	s.open = append(s.open, c)
	s.mu.Unlock()
	s.run.sched.park(&waiting{
		key: digest("commit", what),
		delay: func(r *seededRand) time.Duration {
			return r.span(50*time.Microsecond, 2*time.Millisecond) + r.span(s.low, s.high)
		},
		admit: func(_ *seededRand, at *step) { s.run.awaits(at) },
		run:   func() { s.apply(c) },
	})
	<-c.done
	return c.err
}

func (d *disk) apply(c *commit) {
	d.mu.Lock()
	at := slices.Index(d.open, c)
	if at >= 0 {
		d.open = slices.Delete(d.open, at, at+1)
	}
	d.mu.Unlock()
	if at < 0 {
		return // its process died meanwhile
	}
	if d.full {
		c.err = syscall.ENOSPC
		d.run.log("commit", "journal", c.what+": no space", 0)
	} else {
		c.err = c.write()
		c.after()
		d.run.log("commit", "journal", c.what, 0)
	}
	close(c.done)
}

// die ends the commits of a dead process: each is on the disk whole or not at all.
func (d *disk) die(r *seededRand) {
	d.mu.Lock()
	open := d.open
	d.open = nil
	d.mu.Unlock()
	slices.SortStableFunc(open, func(a, b *commit) int { return strings.Compare(a.what, b.what) })
	for _, c := range open {
		if !d.full && r.chance(50) {
			_ = c.write()
			c.after()
		}
		c.err = errDead
		close(c.done)
	}
}

// tear leaves a file that cannot be read: the next open starts a fresh one.
func (d *disk) tear() {
	d.content, d.note = journal.NewMemory(), "the journal could not be read; it was moved aside and a fresh one started"
}

// noted remembers what was made durable, for the rules.
func (s store) noted(values map[string][]byte) {
	now := s.run.now()
	written := journal.OpenStore(s.content, "")
	if _, ok := values["pending"]; ok {
		value, _ := written.Pending() // a store in memory does not fail
		s.pending = append(s.pending, pendingCommit{now, s.incarnation.number, value})
	}
	if _, ok := values["confirmed"]; ok {
		value, _ := written.Confirmed()
		s.confirmed = append(s.confirmed, confirmedCommit{now, s.incarnation.number, value})
	}
}
