package health

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/status"
)

// span is how long a signal must last: so many polls in a row, so much time, and
// so many slots.
type span struct {
	polls int
	time  time.Duration
	slots int
}

// polls is n polls in a row, and at least the time that they take at the poll interval, or
// at one second if that is less: polls that events trigger follow each other quickly.
func polls(n int) span { return span{polls: n} }

// seconds is n seconds, and at least two polls.
func seconds(n int) span { return span{polls: 2, time: time.Duration(n) * time.Second} }

func slots(n int) span { return span{polls: 1, slots: n} }

func (s span) String() string {
	switch {
	case s.slots > 0 && s.polls > 1:
		return counted.Of(s.slots, "slot") + " and " + counted.Of(s.polls, "poll")
	case s.slots > 0:
		return counted.Of(s.slots, "slot")
	case s.time > 0:
		return counted.Of(s.time/time.Second, "second")
	case s.polls <= 1:
		return "one poll"
	}
	return fmt.Sprintf("%d polls in a row (%d s with a poll a second)", s.polls, s.polls-1)
}

// lasts reports whether a signal seen in n polls over d has lasted long enough. A
// poll may come a tenth of its interval early.
func (s span) lasts(n int, d, slot, poll time.Duration) bool {
	least := time.Duration(s.polls-1) * min(poll, time.Second) * 9 / 10
	return n >= s.polls && d >= least && d >= s.time && d >= time.Duration(s.slots)*slot
}

// signal is what one poll says about one finding.
type signal struct {
	state    state
	since    time.Duration // when it began, if that was before this poll
	dated    bool          // whether since is set
	evidence []string
}

type state int

const (
	unknown state = iota // not measured: neither starts nor ends anything
	absent
	present
	otherwise // gone, but replaced by one that is as bad or worse
)

// shows returns a signal with the evidence that is not empty.
func shows(evidence ...string) signal {
	return signal{state: present, evidence: slices.DeleteFunc(evidence, func(s string) bool { return s == "" })}
}

func (s signal) from(since time.Duration) signal {
	s.since, s.dated = since, true
	return s
}

// The signals without evidence.
var (
	healthy    = signal{state: absent}
	unmeasured = signal{}
)

// run counts one signal over the polls.
type run struct {
	reported bool
	alone    bool          // it was reported while nothing explained it
	folded   bool          // another finding explained it in the previous poll
	bad      int           // polls in a row that show it
	badFrom  time.Duration // the first of them
	good     int           // polls in a row that do not, once it is reported
	goodFrom time.Duration
	evidence []string
	seen     time.Time // when the evidence was read; zero if that is not known
	old      bool      // the newest poll that counted does not show it
}

var emptyRun run

// step adds a signal and reports whether the finding is gone; counts is false for a poll
// that does not count where polls are counted.
func (r *run) step(s signal, rule *rule, counts bool, now, slot, poll time.Duration) (gone bool) {
	r.old = s.state != present
	switch s.state {
	case present:
		if r.bad == 0 {
			r.badFrom = now
			if s.dated {
				r.badFrom = s.since
			}
		}
		r.bad, r.good, r.evidence = r.bad+1, 0, s.evidence
		if !r.reported && rule.window.lasts(r.bad, now-r.badFrom, slot, poll) {
			r.reported = true
		}
	case absent, otherwise:
		if !r.reported {
			if s.state == absent {
				r.bad = 0
			}
			return false
		}
		if r.good == 0 {
			r.goodFrom = now
		}
		if counts || rule.clear.polls <= 1 {
			r.good++
		}
		if rule.clear.lasts(r.good, now-r.goodFrom, slot, poll) {
			*r = emptyRun
			return true
		}
	}
	return false
}

// Engine evaluates one pair. It keeps a bounded state of the polls before.
type Engine struct {
	rules  []rule
	poll   time.Duration
	runs   []run // one for each rule
	mem    memory
	polled bool
	last   time.Duration // of the last poll that counted
	found  []status.Finding
}

// New returns an Engine for polls that come about this far apart.
func New(poll time.Duration) *Engine {
	return &Engine{rules: rules, poll: poll, runs: make([]run, len(rules))}
}

// Resume begins where another engine has left off: what that one has reported is kept, is
// not reported again, and goes as if this one had reported it. It returns those findings
// that this engine does not know. It is called before the first Observe.
func (e *Engine) Resume(found []status.Finding) (unknown []status.Finding) {
	for _, f := range found {
		i := slices.IndexFunc(e.rules, func(r rule) bool { return r.Name == f.Name })
		if i < 0 {
			unknown = append(unknown, f)
			continue
		}
		explained := f.ExplainedBy != ""
		e.runs[i] = run{reported: true, alone: !explained, folded: explained, bad: 1, evidence: f.Evidence}
		if f.EvidenceAt != nil {
			e.runs[i].seen = *f.EvidenceAt
		}
		e.found = append(e.found, f)
	}
	return unknown
}

// Report is what one poll changed. A finding that another one explains is only in Findings,
// never in Appeared or Gone.
type Report struct {
	Findings []status.Finding // all active ones, the worst first, each behind what explains it; never nil
	Appeared []status.Finding
	Gone     []status.Finding // as they were reported last
}

// Observe evaluates one poll. A poll that comes less than half an interval after the last
// one, because an event triggered it, does not count where polls are counted.
func (e *Engine) Observe(in Input) Report {
	changed := e.mem.observe(&in)
	counts := !e.polled || in.Elapsed-e.last >= e.poll/2
	if counts {
		e.polled, e.last = true, in.Elapsed
	}
	t := turn{view: &view{Input: &in, mem: &e.mem}, counts: counts, before: e.found}
	for i := range e.rules {
		r, run := &e.rules[i], &e.runs[i]
		if e.hidden(r) || changed.concerns(r) {
			t.end(r, run)
		}
		if !e.hidden(r) {
			e.step(&t, i)
		}
	}
	by := e.explained(&t)
	e.found = make([]status.Finding, 0, len(t.before))
	for i := range e.rules {
		run := &e.runs[i]
		if !run.reported {
			continue
		}
		f := e.finding(i, t.view, t.before)
		f.ExplainedBy, run.folded = by[f.Name], by[f.Name] != ""
		if !run.folded && !run.alone {
			run.alone = true
			t.report.Appeared = append(t.report.Appeared, f)
		}
		e.found = append(e.found, f)
	}
	fold(e.found)
	t.report.Findings = e.found
	return t.report
}

// turn is one poll while it is evaluated.
type turn struct {
	*view
	counts bool
	before []status.Finding // active before this poll
	report Report
}

// end clears a run, and reports its finding as gone if it was reported.
func (t *turn) end(r *rule, run *run) {
	if run.alone {
		t.report.Gone = append(t.report.Gone, findingNamed(t.before, r.Name))
	}
	*run = emptyRun
}

// step adds the signal of one rule.
func (e *Engine) step(t *turn, i int) {
	r, run := &e.rules[i], &e.runs[i]
	if !t.counts && r.window.polls > 1 {
		return
	}
	was := *run
	gone := run.step(r.look(t.view), r, t.counts, t.Elapsed, e.mem.slot(), e.poll)
	if run.bad > 0 && !run.old {
		run.seen = t.At
	}
	if gone && was.alone {
		t.report.Gone = append(t.report.Gone, findingNamed(t.before, r.Name))
	}
}

// Findings returns those that hold, the worst first; never nil.
func (e *Engine) Findings() []status.Finding {
	if e.found == nil {
		return []status.Finding{}
	}
	return e.found
}

// hidden reports whether a finding cannot be evaluated because a node that it is about does
// not answer.
func (e *Engine) hidden(r *rule) bool {
	if r.reach {
		return false
	}
	for i := range e.rules {
		other := &e.rules[i]
		if e.runs[i].reported && other.reach && (r.needs == both || r.needs == other.needs) {
			return true
		}
	}
	return false
}

func (e *Engine) finding(i int, v *view, before []status.Finding) status.Finding {
	r, run := &e.rules[i], &e.runs[i]
	severity := r.Severity
	switch {
	case r.harmless != nil && r.harmless(v):
		severity = status.SeverityInfo
	case r.graver != nil && r.graver(v):
		severity = status.SeverityWarning
	case r.critical != nil && r.critical(v):
		severity = status.SeverityCritical
	}
	since := v.At.Add(run.badFrom - v.Elapsed)
	if old := findingNamed(before, r.Name); old.Name != "" {
		since = old.Since // the wall clock may have been set meanwhile
	}
	f := status.Finding{
		Name: r.Name, Severity: severity, Node: r.Node, Summary: r.Meaning,
		Evidence: append([]string{}, run.evidence...), Since: since.Round(0), Remedy: r.Remedy,
	}
	if run.old && !run.seen.IsZero() {
		seen := run.seen.Round(0)
		f.EvidenceAt = &seen
	}
	return f
}

func findingNamed(list []status.Finding, name string) status.Finding {
	for _, f := range list {
		if f.Name == name {
			return f
		}
	}
	return status.Finding{}
}

func worstFirst(a, b status.Finding) int {
	return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name))
}

func rank(severity string) int {
	return slices.Index([]string{status.SeverityCritical, status.SeverityWarning, status.SeverityInfo}, severity)
}

// Of returns the verdict on a pair in a stage with these findings; observed reports whether
// there was a poll at all.
func Of(stage fsm.Stage, findings []status.Finding, observed bool) string {
	switch {
	case stage == fsm.Halted:
		return status.VerdictHalted
	case slices.ContainsFunc(findings, func(f status.Finding) bool { return f.Severity == status.SeverityCritical }):
		return status.VerdictFailing
	case stage == fsm.Paused:
		return status.VerdictPaused
	case !observed:
		return status.VerdictUnknown
	case stage == fsm.Working:
		return status.VerdictWorking
	}
	return status.VerdictSyncing
}
