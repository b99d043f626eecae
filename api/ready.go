package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gwatsync/syncd/fsm"
)

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
		if out.Ready {
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
