package simulation

import (
	"fmt"
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/status"
)

// pushCount is what is shown of a push: how far it is.
type pushCount struct {
	started      time.Time
	done, target uint64
}

func countOf(p *status.Push) pushCount {
	return pushCount{p.Started, p.Progress.Current, p.Progress.Target}
}

// shownPushes is what each process of syncd has published of its pushes.
type shownPushes struct {
	incarnation int
	newest      pushCount
	bySeq       map[shownAt]pushCount
	broken      []Violation
}

type shownAt struct {
	incarnation int
	seq         uint64
}

// watchPush takes in what is published of the push: its count never falls, and is full
// only when gwat has answered every call. Metrics and samples say the same.
func (r *run) watchPush(l *incarnation) {
	s := l.pair.Snapshot()
	if s == nil || s.Push == nil {
		return
	}
	shown := &r.shown
	now := countOf(s.Push)
	if shown.bySeq == nil {
		shown.bySeq = map[shownAt]pushCount{}
	}
	shown.bySeq[shownAt{l.number, s.Seq}] = now
	was := shown.newest
	if shown.incarnation == l.number && was == now {
		return
	}
	same := shown.incarnation == l.number && was.started.Equal(now.started)
	shown.incarnation, shown.newest = l.number, now
	switch {
	case same && now.done < was.done:
		r.lies("the push goes from %d of %d entries back to %d of %d", was.done, was.target, now.done, now.target)
	case now.done > now.target:
		r.lies("%d of %d entries of the push are done", now.done, now.target)
	case now.done == now.target && now.done > 0 && (r.net.pushes(l.number) || s.Push.Phase == string(headsync.PhasePushing)):
		r.lies("%d of %d entries of the push are done, and gwat has not answered yet", now.done, now.target)
	}
	r.compareMetrics(l, s.Seq, now)
	for _, sample := range l.pair.Samples(1) {
		if sample.Seq == s.Seq && (sample.PushDone == nil || *sample.PushDone != now.done || *sample.PushTotal != now.target) {
			r.lies("the newest sample has another count of the push than %d of %d", now.done, now.target)
		}
	}
}

// compareMetrics holds the metrics of a snapshot to its push.
func (r *run) compareMetrics(l *incarnation, seq uint64, shown pushCount) {
	families, err := l.metrics.Gather()
	if err != nil {
		r.lies("the metrics cannot be gathered: %v", err)
		return
	}
	values := map[string]uint64{}
	for _, f := range families {
		if m := f.GetMetric(); len(m) == 1 {
			values[f.GetName()] = uint64(m[0].GetGauge().GetValue())
		}
	}
	done, target := values["syncd_push_entries_done"], values["syncd_push_entries_target"]
	if values["syncd_snapshot_seq"] == seq && (done != shown.done || target != shown.target) {
		r.lies("the metrics say %d of %d entries of the push, the status %d of %d", done, target, shown.done, shown.target)
	}
}

// endedPush holds the log line of a push that ended well to what is shown of it.
func (r *run) endedPush(l *incarnation, c status.Change) {
	s := l.pair.Snapshot()
	if c.Event != string(fsm.Pushed) || s == nil || s.Push == nil || s.Push.Phase != string(headsync.PhaseDone) {
		return
	}
	var slot, entries uint64
	if _, err := fmt.Sscanf(c.Reason, "gwat finalized all up to the head at slot %d, %d entr", &slot, &entries); err != nil {
		r.lies("the end of a push is not understood: %s", c.Reason)
		return
	}
	if p := s.Push.Progress; p.Current != entries || p.Target != entries {
		r.lies("the log says %d entries by our push, the status %d of %d", entries, p.Current, p.Target)
	}
}

// lies notes that something untrue was shown.
func (r *run) lies(format string, args ...any) {
	r.shown.broken = append(r.shown.broken, Violation{"truth", r.now(), fmt.Sprintf(format, args...)})
}

// pushes reports whether a push of a process of syncd was sent and not answered.
func (n *network) pushes(incarnation int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for x := range n.inFlight {
		if x.link == syncdGwat && x.from == incarnation && x.call == callPush && x.written && x.ended == never {
			return true
		}
	}
	return false
}

// checkShown: what was shown of a push was true, and the API's answers said the same.
func (c *record) checkShown() {
	c.found = append(c.found, c.shown.broken...)
	for _, q := range c.questions {
		if q.snap == nil || q.snap.Push == nil {
			continue
		}
		was, ok := c.shown.bySeq[shownAt{q.incarnation, q.snap.Seq}]
		if said := countOf(q.snap.Push); ok && (said.done != was.done || said.target != was.target) {
			c.broken("truth", q.ended, fmt.Sprintf("syncd_status says %d of %d entries of the push, published are %d of %d", said.done, said.target, was.done, was.target))
		}
	}
}
