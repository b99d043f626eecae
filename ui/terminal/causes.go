package terminal

import (
	"slices"
	"strings"

	"github.com/gwatsync/syncd/status"
)

// causes returns the findings that none of the others explains, at most maxNames.
func causes(findings []status.Finding) []status.Finding {
	return folded(findings, func(f status.Finding) bool { return !explained(findings, f) })
}

// consequences returns the findings that follow from another one, at most maxNames.
func consequences(findings []status.Finding) []status.Finding {
	return folded(findings, func(f status.Finding) bool { return explained(findings, f) })
}

// explained reports whether a finding follows from another one of the list.
func explained(findings []status.Finding, f status.Finding) bool {
	return f.ExplainedBy != "" && slices.ContainsFunc(findings, func(cause status.Finding) bool { return cause.Name == f.ExplainedBy })
}

// explainedNames returns the names of what follows from a finding, "" if nothing does.
func explainedNames(findings []status.Finding, cause string) string {
	names := findingNames(folded(findings, func(f status.Finding) bool { return f.ExplainedBy == cause }))
	return strings.ReplaceAll(names, ",", ", ")
}

func folded(findings []status.Finding, keep func(status.Finding) bool) (out []status.Finding) {
	for _, f := range findings {
		if len(out) < maxNames && keep(f) {
			out = append(out, f)
		}
	}
	return out
}
