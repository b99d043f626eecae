package terminal

import (
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/gwatsync/syncd/status"
)

// styles are the looks of a view. Colours only repeat what words say; they are
// of the sixteen that every theme sets readable.
type styles struct {
	good, busy, bad, odd, faint, bold lipgloss.Style
}

// newStyles has no colour when NO_COLOR is set to anything (no-color.org), and
// the sixteen otherwise; the terminal is never asked.
func newStyles(out io.Writer, environ []string) styles {
	r := lipgloss.NewRenderer(out)
	r.SetHasDarkBackground(true)
	r.SetColorProfile(termenv.ANSI)
	if lookup(environ, "NO_COLOR") != "" {
		r.SetColorProfile(termenv.Ascii)
	}
	colour := func(c string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(c)) }
	return styles{
		good: colour("2").Bold(true), busy: colour("6").Bold(true), bad: colour("1").Bold(true), odd: colour("3").Bold(true),
		faint: r.NewStyle().Faint(true), bold: r.NewStyle().Bold(true),
	}
}

// lookup gives the last value of a variable, as the system's own lookup does.
func lookup(environ []string, name string) string {
	value := ""
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

func (s styles) ofVerdict(verdict string) lipgloss.Style {
	switch verdict {
	case status.VerdictWorking:
		return s.good
	case status.VerdictSyncing:
		return s.busy
	case status.VerdictFailing, status.VerdictHalted:
		return s.bad
	}
	return s.odd
}

func (s styles) ofSeverity(severity string) lipgloss.Style {
	switch severity {
	case status.SeverityCritical:
		return s.bad
	case status.SeverityWarning:
		return s.odd
	}
	return s.faint
}

// severityMark tells the severity without colour.
func severityMark(severity string) string {
	switch severity {
	case status.SeverityCritical:
		return "!!"
	case status.SeverityWarning:
		return " !"
	}
	return " i"
}
