package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/status"
)

// maxAge is how old a snapshot may be: the loop publishes one with each look, at
// the latest after a poll interval and a call's timeout.
const maxAge = 30 * time.Second

// readiness is the answer of /readyz.
type readiness struct {
	Ready   bool       `json:"ready"`
	Stage   string     `json:"stage,omitempty"`
	Verdict string     `json:"verdict,omitempty"`
	Reason  string     `json:"reason"` // why it is not ready, "working" if it is
	Since   *time.Time `json:"since,omitempty"`
	NextTry *time.Time `json:"nextTry,omitempty"`
}

// condition is one thing that must hold for a pair to be ready.
type condition struct {
	name string
	met  bool
	why  string // what is seen, met or not
}

func (c condition) String() string {
	mark := "[-]"
	if c.met {
		mark = "[+]"
	}
	return fmt.Sprintf("%s %s: %s", mark, c.name, c.why)
}

// conditions are what a pair must meet to be ready; the verdict alone says it,
// the others say what is behind it.
func conditions(s *status.Snapshot, now time.Time) []condition {
	age := now.Sub(s.At)
	fresh := condition{"snapshot", age <= maxAge, fmt.Sprintf("%s old, seq %d", age.Round(time.Millisecond), s.Seq)}
	if !fresh.met {
		fresh.why = fmt.Sprintf("what syncd knows is %s old: its loop hangs", age.Round(time.Second))
	}
	stage := condition{"stage", s.Stage == string(fsm.Working), s.Stage}
	if why := waitsFor(s); !stage.met && why != "" {
		stage.why += ": " + why
	}
	out := []condition{fresh, stage}
	critical := 0
	for _, f := range s.Findings {
		if f.Severity == status.SeverityCritical {
			critical++
			why := f.Summary
			if f.ExplainedBy != "" {
				why += " It follows from " + f.ExplainedBy + "."
			}
			out = append(out, condition{f.Name, false, why})
		}
	}
	if critical == 0 {
		out = append(out, condition{"findings", true, "none is critical"})
	}
	return append(out, condition{"verdict", s.Verdict == status.VerdictWorking, s.Verdict})
}

func waitsFor(s *status.Snapshot) string {
	if s.Waiting != "" {
		return s.Waiting
	}
	return s.Reason
}

// readyz answers 200 only of a fresh snapshot with the verdict working; otherwise
// 503 with the reason. With ?verbose it is a text with a line for each condition.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	out := readiness{}
	var met []condition
	snap, err := snapshotOf(s.src)
	if err != nil {
		out.Reason = err.Error()
		met = []condition{{"snapshot", false, out.Reason}}
	} else {
		met = conditions(snap, s.cfg.Now())
		out = readyOf(snap, met)
	}
	w.Header().Set("Cache-Control", "no-store")
	code := http.StatusOK
	if !out.Ready {
		code = http.StatusServiceUnavailable
	}
	if r.URL.Query().Has("verbose") {
		writeText(w, code, verbose(out, met))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(out) // the client is gone: nobody reads it
}

// readyOf names the first condition that is not met: it is the cause of those behind it.
func readyOf(s *status.Snapshot, met []condition) readiness {
	out := readiness{Stage: s.Stage, Verdict: s.Verdict, Since: &s.Since, NextTry: s.NextTry}
	i := slices.IndexFunc(met, func(c condition) bool { return !c.met })
	switch {
	case i < 0:
		out.Ready, out.Reason = true, "working"
	case met[i].name != "stage":
		out.Reason = met[i].why
	case waitsFor(s) != "":
		out.Reason = waitsFor(s)
	default:
		out.Reason = "the pair is in stage " + s.Stage
	}
	return out
}

func verbose(out readiness, met []condition) string {
	var text strings.Builder
	for _, c := range met {
		fmt.Fprintln(&text, c)
	}
	if out.Ready {
		return text.String() + "ready\n"
	}
	return text.String() + "not ready\n"
}
