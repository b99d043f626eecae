package health

import (
	"cmp"
	"slices"
	"time"

	"github.com/gwatsync/syncd/status"
)

// Explanation is one row of the table of causes: while By stands, it explains Finding.
type Explanation struct {
	Finding string
	By      string
	Why     string // one sentence

	unless func(*view) bool // then it does not; nil is never
}

// Explanations returns the rows for the findings of a catalog, in the order in which a cause is
// looked for: the first one that stands explains.
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

// explained returns, for each finding that stands and that another one explains, the one
// at the bottom of it. A finding that was never reported by itself must last its window
// anew when its cause has gone: it may have been no more than what was left of that.
func (e *Engine) explained(t *turn) map[string]string {
	for {
		by := e.causes(t.view)
		surfaced := false
		for i := range e.rules {
			run := &e.runs[i]
			if !run.told || run.alone || !run.folded || by[e.rules[i].Name] != "" {
				continue
			}
			*run = emptyRun
			if e.step(t, i); !run.told {
				surfaced = true // what it explained must be explained anew
			}
		}
		if !surfaced {
			return by
		}
	}
}

// causes returns the cause of each finding that stands and has one.
func (e *Engine) causes(v *view) map[string]string {
	stands := map[string]bool{}
	for i := range e.rules {
		if e.runs[i].told {
			stands[e.rules[i].Name] = true
		}
	}
	if len(stands) < 2 {
		return nil
	}
	direct := map[string]string{}
	for _, x := range explanations {
		if stands[x.Finding] && stands[x.By] && direct[x.Finding] == "" && (x.unless == nil || !x.unless(v)) {
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
