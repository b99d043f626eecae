package demo

import (
	"encoding/json"
	"io"
	"time"

	"github.com/gwatsync/syncd/ui/terminal"
)

// StageLine is one stage change as `demo --output json` writes it.
type StageLine struct {
	At     time.Time `json:"at"`
	From   string    `json:"from,omitempty"` // empty for the stage at the start
	Stage  string    `json:"stage"`
	Event  string    `json:"event,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// JSON returns a view that writes stage changes to out for scripts, a StageLine each,
// and text to log.
func JSON(out, log io.Writer) terminal.View { return jsonView{out: json.NewEncoder(out), log: log} }

// jsonView is a terminal.View that writes stage changes for scripts.
type jsonView struct {
	out *json.Encoder
	log io.Writer
}

func (v jsonView) Show(u terminal.Update) {
	for _, c := range u.Changes {
		// Who reads no more has seen enough: there is nobody to report an error to.
		_ = v.out.Encode(StageLine{At: c.At, From: c.From, Stage: c.To, Event: c.Event, Reason: c.Reason})
	}
}

func (v jsonView) Print(line string)   { _, _ = io.WriteString(v.log, line+"\n") }
func (v jsonView) Writer() io.Writer   { return v.log }
func (jsonView) Done() <-chan struct{} { return nil }
func (jsonView) Close()                {}
