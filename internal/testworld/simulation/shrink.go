package simulation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Shrink looks for the fewest faults of a seed that still break a rule, and gives
// the result with them alone. Choices hang on what they are about, so that one
// fault less leaves the others as they were.
func Shrink(t *testing.T, failed Result, o Options) Result {
	rule := failed.Violations[0].Rule
	for {
		numbers := failed.Plan.numbers()
		smaller := slices.IndexFunc(numbers, func(n int) bool {
			o.Keep = slices.DeleteFunc(slices.Clone(numbers), func(k int) bool { return k == n })
			o.NoFaults = len(o.Keep) == 0
			again := Run(t, failed.Seed, o)
			if !slices.ContainsFunc(again.Violations, func(v Violation) bool { return v.Rule == rule }) {
				return false
			}
			failed = again
			return true
		})
		if smaller < 0 {
			return failed
		}
	}
}

func (p *Plan) numbers() []int {
	out := []int{}
	for _, f := range p.Faults {
		out = append(out, f.number)
	}
	return out
}

// Replay is the command that repeats a run.
func (r Result) Replay() string {
	keep := []string{}
	for _, n := range r.Plan.numbers() {
		keep = append(keep, fmt.Sprint(n))
	}
	if len(keep) == 0 {
		keep = append(keep, "none")
	}
	out := fmt.Sprintf("go test ./internal/testworld/simulation -v -run TestReplay -seed=%d -keep=%s", r.Seed, strings.Join(keep, ","))
	if r.CrashAt > 0 {
		out += fmt.Sprintf(" -crash=%d", r.CrashAt)
		if r.CrashAfter {
			out += " -after"
		}
	}
	return out
}
