package terminal

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/gwatsync/syncd/status"
)

// style is the look of a piece of text; the zero value leaves it as it is.
type style struct{ ansi.Style }

func (s style) Render(text string) string {
	if len(s.Style) == 0 {
		return text
	}
	return s.Styled(text)
}

// styles are the looks of a view. Colours only repeat what words say; they are
// of the sixteen that every theme sets readable.
type styles struct {
	good, busy, bad, odd, faint, bold style
}

// newStyles has no colour when NO_COLOR is set to anything (no-color.org), and
// the sixteen otherwise; the terminal is not asked.
func newStyles(environ []string) styles {
	if lookup(environ, "NO_COLOR") != "" {
		return styles{}
	}
	colour := func(c ansi.BasicColor) style { return style{ansi.NewStyle().Bold().ForegroundColor(c)} }
	return styles{
		good: colour(ansi.Green), busy: colour(ansi.Cyan), bad: colour(ansi.Red), odd: colour(ansi.Yellow),
		faint: style{ansi.NewStyle().Faint()}, bold: style{ansi.NewStyle().Bold()},
	}
}

// lookup returns the last value of a variable, as the system's own lookup does.
func lookup(environ []string, name string) string {
	value := ""
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

func (s styles) ofVerdict(verdict string) style {
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

func (s styles) ofSeverity(severity string) style {
	switch severity {
	case status.SeverityCritical:
		return s.bad
	case status.SeverityWarning:
		return s.odd
	}
	return s.faint
}

// severityMark shows the severity without colour.
func severityMark(severity string) string {
	switch severity {
	case status.SeverityCritical:
		return "!!"
	case status.SeverityWarning:
		return " !"
	}
	return " i"
}
