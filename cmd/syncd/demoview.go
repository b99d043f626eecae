package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/gwatsync/syncd/ui/terminal"
)

func (d *demo) newView() terminal.View {
	if d.json {
		return jsonView{out: json.NewEncoder(d.con.stdout), log: d.con.stderr}
	}
	return d.con.view(false)
}

// stageLine is one stage change as `demo --output json` writes it.
type stageLine struct {
	At     time.Time `json:"at"`
	From   string    `json:"from,omitempty"` // empty for the stage at the start
	Stage  string    `json:"stage"`
	Event  string    `json:"event,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// jsonView is a terminal.View that writes stage changes for scripts.
type jsonView struct {
	out *json.Encoder
	log io.Writer
}

func (v jsonView) Show(u terminal.Update) {
	for _, c := range u.Changes {
		// A closed pipe ends the program by its signal: there is nobody to tell.
		_ = v.out.Encode(stageLine{At: c.At, From: c.From, Stage: c.To, Event: c.Event, Reason: c.Reason})
	}
}

func (v jsonView) Print(line string)   { _, _ = io.WriteString(v.log, line+"\n") }
func (v jsonView) Writer() io.Writer   { return v.log }
func (jsonView) Done() <-chan struct{} { return nil }
func (jsonView) Close()                {}
