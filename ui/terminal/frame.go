package terminal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/status"
)

// Update is news for a view. A snapshot without trouble is fresh.
type Update struct {
	Snapshot *status.Snapshot // the newest; nil: none has come yet
	Changes  []status.Change  // stage changes that were not shown before, in their order
	Trouble  string           // why there is no news, "" if there is
	How      string           // how the news come, such as "live"
}

// staleAfter is when a snapshot that nothing follows is called stale: a
// daemon publishes one with every poll, and polls at least every ten seconds.
const staleAfter = 15 * time.Second

// frame is one picture of the view: what is known at a time.
type frame struct {
	snap      *status.Snapshot // clean
	fresh     time.Time        // when snap came
	how       string
	trouble   string // clean
	since     time.Time
	now       time.Time // of the recording in a replay
	replaying bool
	hint      string // the keys
}

// The sizes of a view.
const (
	labelWidth    = 11
	barWidth      = 24
	minWidth      = 20
	defaultWidth  = 80
	defaultHeight = 24
	allStages     = 104 // columns for the label and the names of all stages in a row
	narrow        = 60  // columns below which findings begin at the left edge
)

// render returns fewer than height lines of at most width columns: one stays free, since
// a picture as high as the window is torn by the lines above it.
func (f frame) render(width, height int, st styles) string {
	width = max(width, minWidth)
	room := max(height-1, 1)
	if f.hint != "" {
		room = max(room-1, 1)
	}
	var lines []string
	for d := everything; d >= namesOnly; d-- {
		p := &painter{width: width, st: st, detail: d}
		f.paint(p)
		if lines = p.lines; height <= 0 || len(lines) <= room {
			break
		}
	}
	if height > 0 && len(lines) > room { // the library cuts off at the top
		lines = append(slices.Clone(lines[:room-1]), st.faint.Render("… "+counted.Of(len(lines)-room+1, "more line")+": make the window higher"))
	}
	if f.hint != "" {
		lines = append(lines, st.faint.Render(f.hint))
	}
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, width, "…")
	}
	return strings.Join(lines, "\n")
}

// How much is shown, by the room that there is.
const (
	namesOnly      = iota // of the findings; each subject on one line
	brief                 // the summaries, and the first step against the worst one, cut off
	firstSteps            // the first step against each finding; all else on one line each
	summaries             // the same, and what each finding means
	firstSentences        // what only completes the picture is gone
	withRemedies
	everything
)

// painter collects lines.
type painter struct {
	width  int
	st     styles
	detail int
	lines  []string
}

func (p *painter) line(text string) { p.lines = append(p.lines, text) }

// entry writes a label and a text behind it, over several lines if need be.
func (p *painter) entry(label, text string) { p.hanging(label, 0, text, p.detail <= summaries) }

// hanging is entry with the lines after the first set in, or cut off.
func (p *painter) hanging(label string, indent int, text string, cut bool) {
	if cut { // render does it
		p.line(p.st.faint.Render(fmt.Sprintf("%-*s", labelWidth, label)) + text)
		return
	}
	label = p.st.faint.Render(fmt.Sprintf("%-*s", labelWidth, label))
	for i, part := range strings.Split(ansi.Wrap(text, max(p.width-labelWidth-indent, minWidth/2), " "), "\n") {
		if i > 0 {
			label = strings.Repeat(" ", labelWidth+indent)
		}
		p.line(label + part)
	}
}

func (f frame) paint(p *painter) {
	s := f.snap
	if f.trouble != "" {
		p.entry("NO ANSWER", p.st.bad.Render("for "+Ago(f.since, f.now)+": "+f.trouble))
	}
	if s == nil {
		if f.trouble == "" {
			p.line("syncd is asked for its status …")
		}
		return
	}
	switch age := f.now.Sub(f.fresh); {
	case f.replaying:
	case f.trouble != "":
		p.entry("OLD", "what follows is "+age.Round(time.Second).String()+" old")
	case age >= staleAfter:
		p.entry("STALE", p.st.odd.Render("nothing new for "+age.Round(time.Second).String()+": syncd answers, but polls the nodes no more; see its log"))
	}
	f.head(p)
	f.findings(p)
	f.waits(p)
	f.nodes(p)
	f.rest(p)
}

func (f frame) head(p *painter) {
	s := f.snap
	about := "pair " + s.Pair
	if n := s.Network; n != nil {
		about += fmt.Sprintf(", network %s, chain id %d, slot %d", orDash(n.Name), n.ChainID, n.CurrentSlot)
	}
	if s.Era != "" {
		about += ", era " + s.Era
	}
	p.entry("syncd", strings.TrimSpace(s.Version)+", "+about+fmt.Sprintf(" (%s, #%d)", f.how, s.Seq))
	verdict := Verdict(s)
	text := p.st.ofVerdict(verdict).Render(strings.ToUpper(verdict))
	if s.Observe {
		text += " (observing only)"
	}
	text += fmt.Sprintf(", stage %s for %s", s.Stage, Ago(s.Since, f.now))
	if s.ETA != nil && verdict != status.VerdictWorking {
		text += ", may work " + Until(*s.ETA, f.now)
	}
	p.entry("verdict", text)
	p.entry("stages", track(s.Stage, p.width-labelWidth, p.st))
}

// waits says what the pair waits for, or why it is in its stage.
func (f frame) waits(p *painter) {
	s := f.snap
	if p.detail <= summaries && len(s.Findings) > 0 { // they say more
		return
	}
	if why := withoutErrors(s.Waiting, s); why != "" {
		if s.NextTry != nil {
			why += "; next try " + Until(*s.NextTry, f.now)
		}
		p.entry("waits", why)
	} else if s.Reason != "" {
		p.entry("because", s.Reason)
	}
}

// track shows how far the pair is on its way; paused and halted are beside it.
func track(stage string, width int, st styles) string {
	way := slices.DeleteFunc(slices.Clone(fsm.Stages()), func(s fsm.Stage) bool { return s == fsm.Paused || s == fsm.Halted })
	at := slices.Index(way, fsm.Stage(stage))
	if at < 0 {
		return st.odd.Render(stage) + ", beside the way"
	}
	if width < allStages-labelWidth {
		return fmt.Sprintf("[%s%s%s] %d of %d: %s", strings.Repeat("x", at), ">", strings.Repeat(".", len(way)-at-1), at+1, len(way), stage)
	}
	var parts []string
	for i, s := range way {
		switch {
		case i < at:
			parts = append(parts, "x "+string(s))
		case i == at:
			parts = append(parts, st.bold.Render("> "+string(s)))
		default:
			parts = append(parts, st.faint.Render(". "+string(s)))
		}
	}
	return strings.Join(parts, " ")
}

func (f frame) nodes(p *painter) {
	bars := barred(f.snap)
	p.node("gwat", f.snap.Gwat, "block", bars, f.now)
	p.node("beacon", f.snap.Beacon, "slot", bars, f.now)
}

// barred reports whether progress gets bars: while the pair syncs. In normal work it
// is complete and incomplete again in each slot.
func barred(s *status.Snapshot) bool {
	return Verdict(s) != status.VerdictWorking && s.Stage != string(fsm.Switching) && s.Stage != string(fsm.Working)
}

func (p *painter) node(name string, n status.Node, finalized string, bars bool, now time.Time) {
	if !n.Reachable {
		why := ""
		if n.Error != nil {
			why = ": " + n.Error.Message
		}
		p.entry(name, p.st.bad.Render("DOWN")+" for "+Ago(n.Since, now)+lastSlot(n)+", "+n.Endpoint+why)
		return
	}
	parts := []string{p.st.good.Render("up")}
	if n.SyncStage != "" {
		parts = append(parts, n.SyncStage)
	}
	if n.Slot != nil {
		text := "slot " + slotText(n.Slot)
		if n.LagSlots != nil {
			text += fmt.Sprintf(" (%d behind)", *n.LagSlots)
		}
		parts = append(parts, text)
	}
	if n.Finalized != nil {
		parts = append(parts, fmt.Sprintf("final %s %d", finalized, *n.Finalized))
	}
	if n.Peers != nil {
		parts = append(parts, counted.Of(*n.Peers, "peer"))
	}
	parts = append(parts, latencyText(n.LatencyMS), n.Endpoint)
	if n.Version != "" {
		parts = append(parts, n.Version)
	}
	p.entry(name, strings.Join(parts, ", "))
	if bars {
		p.progress(n.Progress, now)
	}
}

// lastSlot says in few words what lastKnown says.
func lastSlot(n status.Node) string {
	if n.LastKnown == nil || n.LastKnown.Slot == nil {
		return ""
	}
	return fmt.Sprintf(" (last slot %d, %s behind)", *n.LastKnown.Slot, numberText(n.LagSlots))
}

func (p *painter) progress(g *status.Progress, now time.Time) {
	if g == nil {
		return
	}
	p.entry("", bar(*g, min(barWidth, p.width-labelWidth-10))+" "+ProgressText(*g, now))
}

// bar draws from the start of the count, so that the last part of a long chain
// is seen to move.
func bar(g status.Progress, width int) string {
	width = max(width, 1)
	from := min(g.From, g.Current)
	share := 1.0
	if g.Target > from {
		share = min(1, float64(g.Current-from)/float64(g.Target-from))
	}
	done := int(share * float64(width))
	return fmt.Sprintf("[%s%s] %3d%%", strings.Repeat("#", done), strings.Repeat(".", width-done), int(100*share))
}

func (f frame) rest(p *painter) {
	s := f.snap
	if g := s.Push; g != nil {
		p.entry("push", fmt.Sprintf("%s, slots %d to %d", g.Phase, g.From, g.To))
		if barred(s) {
			p.progress(&g.Progress, f.now)
		}
	}
	if p.detail <= firstSentences {
		return
	}
	if s.Past != nil {
		p.entry("past", pastText(s.Past, f.now))
	}
	if c := s.Confirmed; c != nil {
		p.entry("confirmed", fmt.Sprintf("slot %d, block number %d, %s ago", c.Slot, c.Number, Ago(c.At, f.now)))
	}
	if l := s.Lock; l != nil {
		whose := "not ours"
		if l.Ours {
			whose = "ours"
		}
		p.entry("head lock", whose+", ends "+Until(l.Until, f.now))
	}
	if r := s.CompetingDriver; r != nil {
		p.entry("driver", p.st.odd.Render("competing: "+r.Sign)+", seen "+Ago(r.Seen, f.now)+" ago")
	}
	if e := s.LastError; e != nil && !toldBefore(e.Message, s) {
		p.entry("last error", fmt.Sprintf("%s (%s, %s ago)", e.Message, e.Kind, Ago(e.At, f.now)))
	}
}

func orDash(s string) string {
	if s == "" {
		return unknown
	}
	return s
}
