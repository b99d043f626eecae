package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/gwatsync/syncd/status"
)

// progressEvery is how often a plain view repeats a progress that moves.
const progressEvery = 2 * time.Second

// plain writes a line for each change.
type plain struct {
	mu       sync.Mutex
	out, log io.Writer
	trouble  string
	changes  changes
	said     string
	progress string
	at       time.Time // of the last progress
}

func (v *plain) Show(u Update) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if trouble := Clean(u.Trouble); trouble != v.trouble {
		v.trouble = trouble
		if trouble != "" {
			v.line(time.Now(), "no answer: "+trouble)
		} else {
			v.line(time.Now(), "answers again")
		}
	}
	for _, c := range v.changes.of(u) {
		v.write(ChangeText(c))
	}
	if u.Snapshot == nil || u.Trouble != "" {
		return
	}
	s := CleanSnapshot(u.Snapshot)
	v.verdict(s)
	v.moving(s)
}

// verdict prints what the snapshot says that the one before did not.
func (v *plain) verdict(s *status.Snapshot) {
	text := Verdict(s)
	for _, n := range []struct {
		name string
		node status.Node
	}{{"gwat", s.Gwat}, {"beacon", s.Beacon}} {
		if !n.node.Reachable && n.node.Error != nil {
			text += ", " + n.name + " is down"
		}
	}
	for _, f := range causes(s.Findings) {
		text += fmt.Sprintf("; %s: %s; do: %s", f.Name, strings.TrimSuffix(f.Summary, "."), f.Remedy)
		if names := explainedNames(s.Findings, f.Name); names != "" {
			text += " (explains " + names + ")"
		}
	}
	// The summary may hold counts: the names decide whether it is news.
	news := Verdict(s) + findingNames(causes(s.Findings)) + upText(s.Gwat) + upText(s.Beacon)
	if news != v.said {
		v.said = news
		v.line(s.At, "verdict "+text)
	}
}

// moving prints progress, as long as the pair syncs: in normal work it would be a line for
// each slot that says nothing new.
func (v *plain) moving(s *status.Snapshot) {
	if !barred(s) {
		return
	}
	if !v.at.IsZero() && s.At.Sub(v.at) < progressEvery {
		return
	}
	line := ""
	for _, p := range []struct {
		name string
		g    *status.Progress
	}{{"gwat", s.Gwat.Progress}, {"beacon", s.Beacon.Progress}, {"push", progressOf(s.Push)}} {
		if p.g != nil {
			line += "  " + p.name + ": " + ProgressText(*p.g, s.At)
		}
	}
	if line != "" && line != v.progress {
		v.write(fmt.Sprintf("%12s%s", "", line))
	}
	v.progress, v.at = line, s.At
}

func progressOf(p *status.Push) *status.Progress {
	if p == nil {
		return nil
	}
	return &p.Progress
}

func (v *plain) line(at time.Time, text string) {
	v.write(at.Local().Format("15:04:05.000") + "  " + text)
}

// write: who reads no more has seen enough, there is nobody to report an error to.
func (v *plain) write(line string) { fmt.Fprintln(v.out, strings.TrimRight(line, " ")) }

func (v *plain) Print(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.write(CleanLine(line))
}

func (v *plain) Writer() io.Writer     { return v.log }
func (v *plain) Done() <-chan struct{} { return nil }
func (v *plain) Close()                {}
