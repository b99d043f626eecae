package terminal

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/gwatsync/syncd/status"
)

// findings says what is wrong, the worst first, with as much of each as there is room for.
func (f frame) findings(p *painter) {
	for i, g := range causes(f.snap.Findings) {
		label := ""
		if i == 0 {
			label = "findings"
		}
		text := p.st.ofSeverity(g.Severity).Render(severityMark(g.Severity)+" "+g.Name) + fmt.Sprintf(" (%s, %s)", g.Severity, Ago(g.Since, f.now))
		if p.detail != namesOnly && p.detail != firstSteps {
			text += " " + g.Summary
		}
		p.finding(label, text)
		if seen := evidence(g, f.snap); p.detail == everything && seen != "" {
			p.finding("", "   "+strings.ToLower(Seen(g, f.now))+": "+seen)
		}
		switch {
		case g.Remedy == "", p.detail == namesOnly, p.detail == brief && i > 0:
		case p.detail < withRemedies:
			p.finding("", "   do: "+firstSentence(g.Remedy))
		default:
			p.finding("", "   do: "+g.Remedy)
		}
		if names := explainedNames(f.snap.Findings, g.Name); names != "" && p.detail >= firstSentences {
			p.finding("", "   explains: "+names)
		}
	}
	if p.detail == namesOnly && len(f.snap.Findings) > 0 {
		p.finding("", "   syncd doctor says what to do")
	}
}

// finding is hanging, in the whole width of a narrow window.
func (p *painter) finding(label, text string) {
	const indent = 3
	switch {
	case p.width >= narrow:
		p.hanging(label, indent, text, p.detail <= brief)
	case p.detail <= brief:
		p.line(text)
	default:
		for i, part := range strings.Split(ansi.Wrap(text, p.width-indent, " "), "\n") {
			if i > 0 {
				part = strings.Repeat(" ", indent) + part
			}
			p.line(part)
		}
	}
}

// firstSentence returns the first sentence of a text.
func firstSentence(text string) string {
	if first, _, more := strings.Cut(text, ". "); more {
		return first + "."
	}
	return text
}

// Seen leads in the evidence of a finding, with its age if the newest poll does not show it.
func Seen(f status.Finding, now time.Time) string {
	if f.EvidenceAt == nil {
		return "Seen"
	}
	return "Last seen " + Ago(*f.EvidenceAt, now) + " ago"
}

// evidence is that of a finding without the errors of the nodes, which their own lines show.
func evidence(g status.Finding, s *status.Snapshot) string {
	var parts []string
	for _, e := range g.Evidence {
		if e = withoutErrors(e, s); e != "" {
			parts = append(parts, e)
		}
	}
	return strings.Join(parts, "; ")
}

// withoutErrors removes the errors of the nodes from a text: each is shown once, beside its
// node.
func withoutErrors(text string, s *status.Snapshot) string {
	for _, n := range []status.Node{s.Gwat, s.Beacon} {
		if n.Error != nil && n.Error.Message != "" && !n.Reachable {
			text = strings.ReplaceAll(text, ": "+n.Error.Message, "")
			if text == n.Error.Message {
				return ""
			}
		}
	}
	return text
}

// toldBefore reports whether an error is that of a node, or what the pair waits for.
func toldBefore(message string, s *status.Snapshot) bool {
	for _, n := range []status.Node{s.Gwat, s.Beacon} {
		if n.Error != nil && !n.Reachable && (strings.Contains(message, n.Error.Message) || strings.Contains(n.Error.Message, message)) {
			return true
		}
	}
	return message != "" && strings.Contains(s.Waiting, message)
}
