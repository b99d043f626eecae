package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gwatsync/syncd/fsm"
)

// maxAge is how old a snapshot may be: the loop publishes one with each look, at
// the latest after a poll interval and a call's timeout.
const maxAge = 30 * time.Second

// readiness is the answer of /readyz.
type readiness struct {
	Ready   bool       `json:"ready"`
	Stage   string     `json:"stage,omitempty"`
	Reason  string     `json:"reason"` // why it is not ready, "working" if it is
	Since   *time.Time `json:"since,omitempty"`
	NextTry *time.Time `json:"nextTry,omitempty"`
}

// readyz answers 200 in working mode only; otherwise 503 with the reason.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	var out readiness
	snap, err := s.src.Snapshot()
	switch {
	case err != nil:
		out.Reason = err.Error()
	case snap == nil:
		out.Reason = errNothingKnown.msg
	default:
		out = readiness{
			Ready: snap.Stage == string(fsm.Working), Stage: snap.Stage,
			Reason: snap.Waiting, Since: &snap.Since, NextTry: snap.NextTry,
		}
		if out.Reason == "" {
			out.Reason = snap.Reason
		}
		if age := time.Since(snap.At); age > maxAge {
			out.Ready = false
			out.Reason = fmt.Sprintf("what syncd knows is %s old: its loop hangs", age.Round(time.Second))
		} else if out.Ready {
			out.Reason = "working"
		} else if out.Reason == "" {
			out.Reason = "the pair is in stage " + snap.Stage
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !out.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(out) // the client is gone: nobody is left to tell
}
