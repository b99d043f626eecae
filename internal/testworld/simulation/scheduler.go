package simulation

import (
	"container/heap"
	"slices"
	"sync"
	"testing/synctest"
	"time"
)

// step is one thing that happens: a request that reaches a node, an answer that
// reaches its caller, a commit of the journal, a fault.
type step struct {
	at  time.Duration // since the start of the run
	key uint64
	run func()
}

// waiting is a step that has no time yet. Its key says what it is, never when it
// came in; several with one key are distinguished by their number.
type waiting struct {
	key   uint64
	delay func(r *seededRand) time.Duration
	admit func(r *seededRand, s *step) // may be nil
	moot  func() bool                  // asked when all waits: nothing is left to do; may be nil
	run   func()
}

// scheduler is the only one who lets something happen, one step after the other.
// The daemon runs on its own between two steps until all of it waits; what it
// has asked for meanwhile is sorted by key and given times by the seed, so that
// neither goroutines nor selects nor maps decide about an order.
type scheduler struct {
	seed  uint64
	begin time.Time
	queue steps
	seen  map[uint64]uint64      // how often a key came
	taken map[time.Duration]bool // no two steps fall on one instant
	count int

	mu      sync.Mutex
	arrived []*waiting
	wake    chan struct{}
}

func newScheduler(seed uint64) *scheduler {
	return &scheduler{
		seed: seed, begin: time.Now(), wake: make(chan struct{}, 1),
		seen: map[uint64]uint64{}, taken: map[time.Duration]bool{},
	}
}

func (s *scheduler) now() time.Duration { return time.Since(s.begin) }

// park is called from any goroutine; the step is run by the scheduler later.
func (s *scheduler) park(w *waiting) {
	s.mu.Lock()
	s.arrived = append(s.arrived, w)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// withdraw takes back what has not been admitted yet, and reports whether it could:
// what came and went within one instant has not happened, whoever was first.
func (s *scheduler) withdraw(w *waiting) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.arrived, w)
	if at < 0 {
		return false
	}
	s.arrived = slices.Delete(s.arrived, at, at+1)
	return true
}

// at has a step run at a time, or at once if it is over; for the scheduler's goroutine.
func (s *scheduler) at(at time.Duration, key uint64, run func()) *step {
	at = max(at, s.now()+1)
	for s.taken[at] {
		at++
	}
	s.taken[at] = true
	made := &step{at: at, key: key, run: run}
	heap.Push(&s.queue, made)
	return made
}

// admit gives times to what came in since the last step.
func (s *scheduler) admit() {
	s.mu.Lock()
	in := s.arrived
	s.arrived = nil
	s.mu.Unlock()
	slices.SortStableFunc(in, func(a, b *waiting) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return 0
	})
	now := s.now()
	for _, w := range in {
		if w.moot != nil && w.moot() {
			continue
		}
		s.seen[w.key]++
		r := newSeededRand(s.seed, w.key, s.seen[w.key])
		// Whole microseconds are the daemon's timers'; steps fall between them.
		delay := w.delay(r).Truncate(time.Microsecond) + time.Duration(1+r.upTo(997))
		made := s.at(now+delay, w.key, w.run)
		if w.admit != nil {
			w.admit(r, made)
		}
	}
}

// run goes on until over reports the end; it is asked after each step, when all waits.
func (s *scheduler) run(over func() bool) {
	for {
		synctest.Wait()
		if over() {
			return
		}
		s.admit()
		if len(s.queue) == 0 {
			<-s.wake
			continue
		}
		if wait := s.queue[0].at - s.now(); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
				synctest.Wait() // a process's own timer may end at this instant, too: it is first, whatever Go's scheduler says
			case <-s.wake:
				timer.Stop()
				continue
			}
		}
		next := heap.Pop(&s.queue).(*step)
		delete(s.taken, next.at)
		s.count++
		next.run()
	}
}

// steps is a heap by time.
type steps []*step

func (q steps) Len() int           { return len(q) }
func (q steps) Less(i, j int) bool { return q[i].at < q[j].at }
func (q steps) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *steps) Push(x any) { *q = append(*q, x.(*step)) }

// Pop implements heap.Interface.
func (q *steps) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
