package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/status"
)

// Table writes a snapshot for people, one subject a line; width is that of the terminal,
// at which lines are broken, 0 for none. Control characters in it are dropped.
func Table(s *status.Snapshot, now time.Time, width int) string {
	s = CleanSnapshot(s)
	var t table
	t.state(s, now)
	t.facts(s, now)
	return t.text(width)
}

// state adds what the pair does and what is wrong with it.
func (t *table) state(s *status.Snapshot, now time.Time) {
	line := t.line
	stage := s.Stage
	if s.Observe {
		stage += " (observing only)"
	}
	line("pair", "%s (syncd %s)", s.Pair, s.Version)
	line("verdict", "%s", Verdict(s))
	line("stage", "%s for %s", stage, Ago(s.Since, now))
	for _, f := range causes(s.Findings) {
		line("finding", "%s (%s) for %s: %s", f.Name, f.Severity, Ago(f.Since, now), f.Summary)
		line("  do", "%s", f.Remedy)
		if names := explainedNames(s.Findings, f.Name); names != "" {
			line("  explains", "%s", names)
		}
	}
	if s.Past != nil {
		line("past", "%s", pastText(s.Past, now))
	}
	if s.Reason != "" {
		line("because", "%s", s.Reason)
	}
	if why := withoutErrors(s.Waiting, s); why != "" && why != s.Reason {
		line("waits", "%s", why)
	}
	if s.NextTry != nil {
		line("next try", "%s", Until(*s.NextTry, now))
	}
}

// facts adds what is known of the network, of both nodes and of the push.
func (t *table) facts(s *status.Snapshot, now time.Time) {
	line := t.line
	if n := s.Network; n != nil {
		line("network", "%s, chain id %d, slot %d", orDash(n.Name), n.ChainID, n.CurrentSlot)
	}
	if s.Era != "" {
		line("era", "%s", s.Era)
	}
	line("gwat", "%s", nodeText(s.Gwat, now))
	line("beacon", "%s", nodeText(s.Beacon, now))
	if c := s.Checkpoint; c != nil {
		line("checkpoint", "slot %d, epoch %d, root %s", c.Slot, c.Epoch, c.Root.TerminalString())
	}
	if p := s.Push; p != nil {
		line("push", "%s, slots %d to %d, %s", p.Phase, p.From, p.To, ProgressText(p.Progress, now))
	}
	if c := s.Confirmed; c != nil {
		line("confirmed", "slot %d, block number %d, %s ago", c.Slot, c.Number, Ago(c.At, now))
	}
	if l := s.Lock; l != nil {
		whose := "not ours"
		if l.Ours {
			whose = "ours"
		}
		line("head lock", "%s, ends %s", whose, Until(l.Until, now))
	}
	if r := s.CompetingDriver; r != nil {
		line("driver", "competing: %s, seen %s ago", r.Sign, Ago(r.Seen, now))
	}
	if e := s.LastError; e != nil && !toldBefore(e.Message, s) {
		line("last error", "%s (%s, %s ago)", e.Message, e.Kind, Ago(e.At, now))
	}
}

// table collects rows of a name and a text.
type table struct {
	rows  [][2]string
	label int // columns of the longest name
}

func (t *table) line(name, format string, args ...any) {
	t.rows = append(t.rows, [2]string{name, fmt.Sprintf(format, args...)})
	t.label = max(t.label, len(name))
}

// text returns the rows, broken between words where width is wide enough for a text.
func (t *table) text(width int) string {
	const gap = 2
	var out strings.Builder
	for _, row := range t.rows {
		text := row[1]
		if room := width - t.label - gap; room >= minWidth {
			text = ansi.Wrap(text, room, " ")
		}
		label := row[0]
		for part := range strings.SplitSeq(text, "\n") {
			fmt.Fprintf(&out, "%-*s%s\n", t.label+gap, label, part)
			label = ""
		}
	}
	return out.String()
}

// Width returns the columns of the terminal out, 0 if out is no terminal.
func Width(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

func nodeText(n status.Node, now time.Time) string {
	parts := []string{n.Endpoint}
	if !n.Reachable {
		return strings.Join(append(parts, unusable(n.Error)), ", ") + lastKnown(n, now)
	}
	if n.Version != "" {
		parts = append(parts, n.Version)
	}
	if n.Peers != nil {
		parts = append(parts, counted.Of(*n.Peers, "peer"))
	}
	if n.SyncStage != "" {
		parts = append(parts, n.SyncStage)
	}
	if n.Progress != nil {
		parts = append(parts, ProgressText(*n.Progress, now))
	}
	return strings.Join(parts, ", ")
}

// lastKnown says what a node that does not answer had when it last did, and how far that is
// behind the clock now.
func lastKnown(n status.Node, now time.Time) string {
	if n.LastKnown == nil || n.LastKnown.Slot == nil {
		return ""
	}
	text := fmt.Sprintf(", last known %s ago at slot %d", Ago(n.LastKnown.At, now), *n.LastKnown.Slot)
	if n.LagSlots != nil {
		text += fmt.Sprintf(", now %d behind the clock", *n.LagSlots)
	}
	return text
}

func latencyText(ms *float64) string {
	if ms == nil {
		return unknown
	}
	return fmt.Sprintf("%.1f ms", *ms)
}

// unusable says why a node counts as not reachable, and distinguishes one that refuses syncd
// from one that does not answer.
func unusable(e *status.Error) string {
	switch {
	case e == nil:
		return "not asked yet"
	case e.Kind == failure.Name(failure.NeedsHuman):
		return "refuses: " + e.Message
	}
	return "no usable answer: " + e.Message
}
