package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/gwatsync/syncd/status"
)

// demoView shows what the demo does; one goroutine calls it.
type demoView interface {
	change(status.Change)
	progress(*status.Snapshot)
	logs() io.Writer // where other lines go without spoiling the view
	close()
}

func (d *demo) newView() demoView {
	switch {
	case d.json:
		return jsonView{out: json.NewEncoder(d.con.stdout), log: d.con.stderr}
	case d.con.terminal:
		return newBarView(d.con)
	default:
		return &lineView{con: d.con}
	}
}

// stageLine is one stage change as `demo --output json` writes it.
type stageLine struct {
	At     time.Time `json:"at"`
	From   string    `json:"from,omitempty"` // empty for the stage at the start
	Stage  string    `json:"stage"`
	Event  string    `json:"event,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

type jsonView struct {
	out *json.Encoder
	log io.Writer
}

func (v jsonView) change(c status.Change) {
	// A closed pipe ends the program by its signal: there is nobody to tell.
	_ = v.out.Encode(stageLine{At: c.At, From: c.From, Stage: c.To, Event: c.Event, Reason: c.Reason})
}
func (jsonView) progress(*status.Snapshot) {}
func (v jsonView) logs() io.Writer         { return v.log }
func (jsonView) close()                    {}

// changeText is a stage change for people.
func changeText(c status.Change) string {
	out := c.At.Local().Format("15:04:05.000") + "  " + c.To
	if c.Reason != "" {
		out += ": " + c.Reason
	}
	return out + "\n"
}

// progressEvery is how often lineView repeats a progress that moves.
const progressEvery = 2 * time.Second

// lineView writes plain lines, for what is no terminal.
type lineView struct {
	con  console
	last string
	at   time.Time
}

func (v *lineView) change(c status.Change) { fmt.Fprint(v.con.stdout, changeText(c)) }

func (v *lineView) progress(s *status.Snapshot) {
	now := time.Now()
	if now.Sub(v.at) < progressEvery {
		return
	}
	line := ""
	for _, p := range progressOf(s) {
		if p.progress != nil {
			line += fmt.Sprintf("  %s: %s", p.name, progressText(*p.progress, now))
		}
	}
	if line != "" && line != v.last {
		fmt.Fprintf(v.con.stdout, "%12s%s\n", "", line)
	}
	v.last, v.at = line, now
}

func (v *lineView) logs() io.Writer { return v.con.stderr }
func (v *lineView) close()          {}

type namedProgress struct {
	name     string
	progress *status.Progress
}

func progressOf(s *status.Snapshot) []namedProgress {
	out := []namedProgress{{"gwat", s.Gwat.Progress}, {"beacon", s.Beacon.Progress}, {"push", nil}}
	if s.Push != nil {
		out[2].progress = &s.Push.Progress
	}
	return out
}

// barView draws a bar for each node and the push, and what is waited for.
type barView struct {
	bars    *mpb.Progress
	byName  map[string]*mpb.Bar
	waiting chan string // the newest text; the drawing goroutine takes it
}

// barWidth leaves room for the numbers on a terminal of 80 columns.
const barWidth = 70

func newBarView(con console) *barView {
	v := &barView{
		bars:    mpb.New(mpb.WithOutput(con.stdout), mpb.WithAutoRefresh(), mpb.WithWidth(barWidth)),
		byName:  map[string]*mpb.Bar{},
		waiting: make(chan string, 1),
	}
	for _, name := range []string{"gwat", "beacon", "push"} {
		v.byName[name] = v.bars.AddBar(0,
			mpb.PrependDecorators(decor.Name(name, decor.WC{W: 8, C: decor.DindentRight})),
			mpb.AppendDecorators(decor.CountersNoUnit("%d of %d")))
	}
	text := ""
	v.byName["waits"] = v.bars.MustAdd(0, nil, mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
		select {
		case text = <-v.waiting:
		default:
		}
		return text
	})))
	return v
}

func (v *barView) change(c status.Change) { fmt.Fprint(v.bars, changeText(c)) }

func (v *barView) progress(s *status.Snapshot) {
	for _, p := range progressOf(s) {
		if p.progress != nil {
			bar := v.byName[p.name]
			bar.SetTotal(clampInt(p.progress.Target), false)
			bar.SetCurrent(clampInt(min(p.progress.Current, p.progress.Target)))
		}
	}
	line := s.Stage
	if s.Waiting != "" {
		line += ": " + s.Waiting
	}
	select { // replace a text that was not drawn yet
	case <-v.waiting:
	default:
	}
	v.waiting <- line
}

// clampInt: a node may claim any number.
func clampInt(n uint64) int64 { return int64(min(n, 1<<62)) }

func (v *barView) logs() io.Writer { return v.bars }

func (v *barView) close() {
	for _, bar := range v.byName {
		bar.Abort(false)
	}
	v.bars.Wait()
}
