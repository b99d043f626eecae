package terminal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/status"
)

// unknown is written for a value that is not known.
const unknown = "-"

// lineFields are the fields of Line in their order. A script may count on the
// names, the order and the forms; new ones are added behind the last.
var lineFields = []struct {
	name, meaning string
	value         func(*status.Snapshot) string
}{
	{"verdict", "working, syncing, failing, paused, halted or unknown", func(s *status.Snapshot) string { return Verdict(s) }},
	{"stage", "the stage of the pair", func(s *status.Snapshot) string { return s.Stage }},
	{"since", "when the stage was entered", func(s *status.Snapshot) string { return timeText(&s.Since) }},
	{"seq", "number of the snapshot", func(s *status.Snapshot) string { return strconv.FormatUint(s.Seq, 10) }},
	{"gwat", "up or down", func(s *status.Snapshot) string { return upText(s.Gwat) }},
	{"gwat_slot", "gwat's newest slot", func(s *status.Snapshot) string { return slotText(s.Gwat.Slot) }},
	{"gwat_lag", "slots that gwat is behind the clock; while it is down, counted from its last slot", func(s *status.Snapshot) string { return numberText(s.Gwat.LagSlots) }},
	{"gwat_peers", "gwat's peers", func(s *status.Snapshot) string { return numberText(s.Gwat.Peers) }},
	{"beacon", "up or down", func(s *status.Snapshot) string { return upText(s.Beacon) }},
	{"beacon_slot", "the beacon's head slot", func(s *status.Snapshot) string { return slotText(s.Beacon.Slot) }},
	{"beacon_lag", "slots that the beacon is behind the clock; while it is down, counted from its last slot", func(s *status.Snapshot) string { return numberText(s.Beacon.LagSlots) }},
	{"beacon_peers", "the beacon's peers", func(s *status.Snapshot) string { return numberText(s.Beacon.Peers) }},
	{"push", "entries of the push: confirmed/all", func(s *status.Snapshot) string { return pushText(s.Push) }},
	{"eta", "when the pair may work", func(s *status.Snapshot) string { return timeText(s.ETA) }},
	{"findings", "names of what is wrong, the worst first, with commas", func(s *status.Snapshot) string { return findingNames(causes(s.Findings)) }},
	{"waiting", "why it does not go on right now", func(s *status.Snapshot) string { return s.Waiting }},
	{"era", "head-sync or coordinated: the protocol of the nodes", func(s *status.Snapshot) string { return s.Era }},
	{"explained", "names of what follows from those findings", func(s *status.Snapshot) string { return findingNames(consequences(s.Findings)) }},
}

// tame keeps a value from passing for the next field, whatever reads the line.
var tame = strings.NewReplacer(`"`, `'`, "=", ":", `\`, "/")

// Line is a snapshot on one line for scripts: name=value in a fixed order, -
// for what is not known, quotes around a value with blanks; no value holds a quote,
// an equals sign or a backslash.
func Line(s *status.Snapshot) string {
	s = CleanSnapshot(s)
	parts := make([]string, 0, len(lineFields))
	for _, f := range lineFields {
		value := tame.Replace(f.value(s))
		switch {
		case value == "":
			value = unknown
		case strings.Contains(value, " "):
			value = `"` + value + `"`
		}
		parts = append(parts, f.name+"="+value)
	}
	return strings.Join(parts, " ")
}

// LineHelp describes the fields of Line, one a line.
func LineHelp() string {
	var out strings.Builder
	for _, f := range lineFields {
		fmt.Fprintf(&out, "%-13s %s\n", f.name, f.meaning)
	}
	return out.String()
}

// Verdict is the verdict of a snapshot, and what its stage says of one that has
// none, as that of an older daemon.
func Verdict(s *status.Snapshot) string {
	if s.Verdict != "" {
		return s.Verdict
	}
	switch s.Stage {
	case status.VerdictWorking, status.VerdictPaused, status.VerdictHalted:
		return s.Stage
	case "":
		return status.VerdictUnknown
	}
	return status.VerdictSyncing
}

func timeText(t *time.Time) string {
	if t == nil || t.IsZero() {
		return unknown
	}
	return t.UTC().Format(time.RFC3339)
}

func upText(n status.Node) string {
	if n.Reachable {
		return "up"
	}
	return "down"
}

func slotText(s *primitives.Slot) string {
	if s == nil {
		return unknown
	}
	return strconv.FormatUint(uint64(*s), 10)
}

func numberText(n *uint64) string {
	if n == nil {
		return unknown
	}
	return strconv.FormatUint(*n, 10)
}

func pushText(p *status.Push) string {
	if p == nil {
		return unknown
	}
	return fmt.Sprintf("%d/%d", p.Progress.Current, p.Progress.Target)
}

// maxNames bounds the names of findings on a line.
const maxNames = 20

func findingNames(findings []status.Finding) string {
	var names []string
	for _, f := range findings[:min(len(findings), maxNames)] {
		names = append(names, strings.ReplaceAll(f.Name, ",", " "))
	}
	return strings.Join(names, ",")
}
