package health

import (
	"cmp"
	"slices"
	"time"

	"github.com/gwatsync/syncd/status"
)

// Explanation is one row of the table of causes: while By is active, it explains Finding.
type Explanation struct {
	Finding string
	By      string
	Why     string // one sentence

	unless func(*view) bool // if true, it does not; nil is never
}

// Explanations returns the rows for the findings of a catalog, in the order in which a cause is
// looked for: the first active one explains.
func Explanations(catalog []Entry) []Explanation {
	known := func(name string) bool {
		return slices.ContainsFunc(catalog, func(e Entry) bool { return e.Name == name })
	}
	var out []Explanation
	for _, x := range explanations {
		if known(x.Finding) && known(x.By) {
			out = append(out, x)
		}
	}
	return out
}

// explained returns the root cause of each active finding that another one explains. A
// finding that was never reported by itself must last its whole window again once its cause
// is gone: it may have been only the rest of that.
func (e *Engine) explained(t *turn) map[string]string {
	for {
		by := e.causes(t.view)
		surfaced := false
		for i := range e.rules {
			run := &e.runs[i]
			if !run.reported || run.alone || !run.folded || by[e.rules[i].Name] != "" {
				continue
			}
			*run = emptyRun
			if e.step(t, i); !run.reported {
				surfaced = true // what it explained needs another cause
			}
		}
		if !surfaced {
			return by
		}
	}
}

// causes returns the root cause of each active finding that has one.
func (e *Engine) causes(v *view) map[string]string {
	active := map[string]bool{}
	for i := range e.rules {
		if e.runs[i].reported {
			active[e.rules[i].Name] = true
		}
	}
	if len(active) < 2 {
		return nil
	}
	direct := map[string]string{}
	for _, x := range explanations {
		if active[x.Finding] && active[x.By] && direct[x.Finding] == "" && (x.unless == nil || !x.unless(v)) {
			direct[x.Finding] = x.By
		}
	}
	root := map[string]string{}
	for name, by := range direct {
		for direct[by] != "" { // the table has no circles
			by = direct[by]
		}
		root[name] = by
	}
	return root
}

// fold sorts findings: the worst first, where a cause is as bad as the worst that it
// explains, and each explained one behind its cause.
func fold(found []status.Finding) {
	type place struct {
		rank  int
		since time.Time
		name  string
	}
	places := map[string]place{}
	for _, f := range found {
		if f.ExplainedBy == "" {
			places[f.Name] = place{rank(f.Severity), f.Since, f.Name}
		}
	}
	for _, f := range found {
		if p, ok := places[f.ExplainedBy]; ok {
			p.rank = min(p.rank, rank(f.Severity))
			places[f.ExplainedBy] = p
		}
	}
	slices.SortStableFunc(found, func(a, b status.Finding) int {
		rootA, rootB := places[rootOf(a)], places[rootOf(b)]
		if rootA.name == rootB.name {
			switch rootA.name {
			case a.Name:
				return -1
			case b.Name:
				return 1
			}
			return worstFirst(a, b)
		}
		return cmp.Or(cmp.Compare(rootA.rank, rootB.rank), rootA.since.Compare(rootB.since), cmp.Compare(rootA.name, rootB.name))
	})
}

func rootOf(f status.Finding) string { return cmp.Or(f.ExplainedBy, f.Name) }
