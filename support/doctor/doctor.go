package doctor

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// The width of a line: the most, and the least that a text is broken to.
const (
	textWidth  = 78
	leastWidth = 20
)

// Width returns how wide lines are for out: as wide as its terminal, if that is narrow.
func Width(out io.Writer) int {
	width := terminal.Width(out)
	if width == 0 || width > textWidth {
		return textWidth
	}
	return max(width, leastWidth)
}

// Wrap breaks a text into lines of a width, each after the first with an indent.
func Wrap(text string, indent, width int) string {
	lines := strings.Split(ansi.Wrap(text, width-indent, " "), "\n")
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent))
}

// meanings says what a verdict means to who reads it first.
var meanings = map[string]string{
	status.VerdictWorking: "both nodes were seen to do their normal work",
	status.VerdictSyncing: "it is on its way; nothing is to be done",
	status.VerdictFailing: "it does not do its work; see what is critical below",
	status.VerdictPaused:  "an operator has paused it; `syncd resume` ends that",
	status.VerdictHalted:  "a human is needed",
	status.VerdictUnknown: "syncd has not polled both nodes yet; ask again in a moment",
}

// Diagnosis is a snapshot in words, in lines of a width. Control characters in it are
// dropped.
func Diagnosis(s *status.Snapshot, now time.Time, width int) string {
	s = terminal.CleanSnapshot(s)
	var out strings.Builder
	paragraph := func(indent int, format string, args ...any) {
		out.WriteString(strings.Repeat(" ", indent) + Wrap(fmt.Sprintf(format, args...), indent, width) + "\n")
	}
	verdict := terminal.Verdict(s)
	paragraph(0, "The pair %s is %s: %s.", s.Pair, strings.ToUpper(verdict), meanings[verdict])
	paragraph(0, "Its stage is %s, for %s.", s.Stage, terminal.Ago(s.Since, now))
	if s.Era == string(checkpoint.EraCoordinated) {
		paragraph(0, "Its nodes are of the coordinated era: the beacon node drives gwat, syncd watches.")
	}
	if s.Waiting != "" {
		paragraph(0, "It waits for: %s.", strings.TrimSuffix(s.Waiting, "."))
	}
	if s.ETA != nil && verdict != status.VerdictWorking {
		paragraph(0, "It may work %s.", terminal.Until(*s.ETA, now))
	}
	if apart := now.Sub(s.At); apart < -clockApart || apart > staleStatus {
		paragraph(0, "This status is of %s, the clock here says %s: syncd hangs, or the clocks of the two machines differ.",
			s.At.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if len(s.Findings) == 0 {
		out.WriteString("\nNothing is found to be wrong.\n")
	}
	number := 0
	for _, f := range s.Findings {
		since := terminal.Ago(f.Since, now)
		if f.ExplainedBy != "" { // it is shown below its cause
			paragraph(3, "It explains %s (%s, for %s): %s", f.Name, f.Severity, since, f.Summary)
			continue
		}
		number++
		out.WriteString("\n" + Wrap(fmt.Sprintf("%d. %s (%s, %s, for %s)", number, f.Name, f.Severity, f.Node, since), 3, width) + "\n")
		paragraph(3, "%s", f.Summary)
		for _, e := range f.Evidence {
			paragraph(3, "%s: %s", terminal.Seen(f, now), e)
		}
		if f.Remedy != "" {
			paragraph(3, "Do: %s", f.Remedy)
		}
	}
	return out.String()
}

// How far a status may be from the clock here: syncd polls every ten seconds at least.
const (
	clockApart  = 2 * time.Second
	staleStatus = 15 * time.Second
)
