package terminal

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/status"
)

// Table writes a snapshot for people, one subject a line. Control characters in it are
// dropped.
func Table(s *status.Snapshot, now time.Time) string {
	s = CleanSnapshot(s)
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }

	stage := s.Stage
	if s.Observe {
		stage += " (observing only)"
	}
	line("pair", "%s (syncd %s)", s.Pair, s.Version)
	line("verdict", "%s", Verdict(s))
	line("stage", "%s for %s", stage, Ago(s.Since, now))
	if s.Reason != "" {
		line("because", "%s", s.Reason)
	}
	if s.Waiting != "" && s.Waiting != s.Reason {
		line("waits", "%s", s.Waiting)
	}
	if s.NextTry != nil {
		line("next try", "%s", Until(*s.NextTry, now))
	}
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
	if r := s.Rival; r != nil {
		line("other driver", "%s, seen %s ago", r.Sign, Ago(r.Seen, now))
	}
	if e := s.LastError; e != nil {
		line("last error", "%s (%s, %s ago)", e.Message, e.Kind, Ago(e.At, now))
	}
	for _, f := range causes(s.Findings) {
		line("finding", "%s (%s) for %s: %s", f.Name, f.Severity, Ago(f.Since, now), f.Summary)
		line("  do", "%s", f.Remedy)
		if names := explainedNames(s.Findings, f.Name); names != "" {
			line("  explains", "%s", names)
		}
	}
	if err := w.Flush(); err != nil { // a strings.Builder takes everything
		return err.Error()
	}
	return out.String()
}

func nodeText(n status.Node, now time.Time) string {
	parts := []string{n.Endpoint}
	if !n.Reachable {
		return strings.Join(append(parts, unusable(n.Error)), ", ")
	}
	if n.Version != "" {
		parts = append(parts, n.Version)
	}
	if n.Peers != nil {
		parts = append(parts, fmt.Sprintf("%d peers", *n.Peers))
	}
	if n.SyncStage != "" {
		parts = append(parts, n.SyncStage)
	}
	if n.Progress != nil {
		parts = append(parts, ProgressText(*n.Progress, now))
	}
	return strings.Join(parts, ", ")
}

// unusable says why a node counts as not reachable, and tells one that refuses syncd
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
