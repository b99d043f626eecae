package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gwatsync/syncd/status"
)

// statusTable writes a snapshot for people, one subject a line.
func statusTable(s *status.Snapshot, now time.Time) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }

	stage := s.Stage
	if s.Observe {
		stage += " (observing only)"
	}
	line("pair", "%s (syncd %s)", s.Pair, s.Version)
	line("stage", "%s for %s", stage, ago(s.Since, now))
	if s.Reason != "" {
		line("because", "%s", s.Reason)
	}
	if s.Waiting != "" && s.Waiting != s.Reason {
		line("waits", "%s", s.Waiting)
	}
	if s.NextTry != nil {
		line("next try", "%s", until(*s.NextTry, now))
	}
	if n := s.Network; n != nil {
		line("network", "%s, chain id %d, slot %d", orDash(n.Name), n.ChainID, n.CurrentSlot)
	}
	line("gwat", "%s", nodeText(s.Gwat, now))
	line("beacon", "%s", nodeText(s.Beacon, now))
	if c := s.Checkpoint; c != nil {
		line("checkpoint", "slot %d, epoch %d, root %s", c.Slot, c.Epoch, c.Root.TerminalString())
	}
	if p := s.Push; p != nil {
		line("push", "%s, slots %d to %d, %s", p.Phase, p.From, p.To, progressText(p.Progress, now))
	}
	if c := s.Confirmed; c != nil {
		line("confirmed", "slot %d, block number %d, %s ago", c.Slot, c.Number, ago(c.At, now))
	}
	if l := s.Lock; l != nil {
		whose := "not ours"
		if l.Ours {
			whose = "ours"
		}
		line("head lock", "%s, ends %s", whose, until(l.Until, now))
	}
	if r := s.Rival; r != nil {
		line("other driver", "%s, seen %s ago", r.Sign, ago(r.Seen, now))
	}
	if e := s.LastError; e != nil {
		line("last error", "%s (%s, %s ago)", e.Message, e.Kind, ago(e.At, now))
	}
	if err := w.Flush(); err != nil { // a strings.Builder takes everything
		return err.Error()
	}
	return out.String()
}

func nodeText(n status.Node, now time.Time) string {
	parts := []string{n.Endpoint}
	if !n.Reachable {
		why := "not reachable"
		if n.Error != nil {
			why += ": " + n.Error.Message
		}
		return strings.Join(append(parts, why), ", ")
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
		parts = append(parts, progressText(*n.Progress, now))
	}
	return strings.Join(parts, ", ")
}

func progressText(p status.Progress, now time.Time) string {
	out := fmt.Sprintf("%s %d of %d", p.Unit, p.Current, p.Target)
	if p.Rate > 0 {
		out += fmt.Sprintf(" (%.1f a second)", p.Rate)
	}
	if p.ETA != nil {
		out += ", done " + until(*p.ETA, now)
	}
	return out
}

func ago(t, now time.Time) string { return max(0, now.Sub(t)).Round(time.Second).String() }

func until(t, now time.Time) string {
	if d := t.Sub(now); d > 0 {
		return "in " + d.Round(100*time.Millisecond).String()
	}
	return "now"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
