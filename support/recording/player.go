package recording

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// longestGap is how long a replay waits at most between two entries, whatever times
// the recording has.
const longestGap = 5 * time.Second

// maxSpeed is the speed from which a replay is one at once.
const maxSpeed = 10_000

// Replay plays the recording in a file into view. speed is how many times as fast as
// it was, 0 for at once; with calls, every call to a node and through the gate is printed. It closes view
// and returns a summary, also with an error. The error has an exit code; one without
// text says that a verdict differs from the recorded one.
func Replay(ctx context.Context, view terminal.View, path string, speed float64, calls bool) (summary string, err error) {
	defer view.Close()
	if err := checkSpeed(speed); err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", exit.Errorf(exit.Usage, "%w; name a file that syncd record wrote", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return "", exit.Errorf(exit.Usage, "%s is a directory; name a file that syncd record wrote", path)
	}
	reader, err := NewReader(file)
	if err != nil {
		return "", fileError(path, err)
	}
	p := &player{view: view, speed: speed, calls: calls, engine: newEvaluator(reader.Header.Poll), last: reader.Header.Made}
	view.Print(fmt.Sprintf("Recorded %s by syncd %s; stages and findings are those of the %s.",
		reader.Header.Made.Local().Format(time.DateTime), reader.Header.By, reader.Header.Source))
	if err := p.play(ctx, reader); err != nil {
		return p.summary(), fileError(path, err)
	}
	if p.different > 0 {
		return p.summary(), exit.Reported(exit.Different)
	}
	return p.summary(), nil
}

// checkSpeed refuses a speed that Replay cannot take.
func checkSpeed(speed float64) error {
	if !(speed >= 0) || speed > maxSpeed { // also what is not a number
		return exit.Errorf(exit.Usage, "--speed is %v: want 0 to %d", speed, maxSpeed)
	}
	return nil
}

func fileError(path string, err error) error {
	remedy := "record it again"
	switch {
	case errors.Is(err, ErrNewer):
		remedy = "" // the error has it
	case errors.Is(err, ErrFormat):
		remedy = "name a file that syncd record wrote"
	case errors.Is(err, ErrTruncated):
		remedy = "what was shown is complete; copy the file again or record it again"
	}
	return exit.Errorf(exit.Usage, "%s: %s", path, strings.TrimSuffix(err.Error()+"; "+remedy, "; "))
}

// player is one replay.
type player struct {
	view   terminal.View
	speed  float64
	calls  bool
	engine evaluator

	last      time.Time // of the recording
	snapshot  *status.Snapshot
	counts    struct{ calls, failed, polls, snapshots, gate, gateSpecial int }
	different int
	agreed    int // polls whose verdict the daemon's snapshot had, too
	compared  int
	verdict   string
	end       string
}

func (p *player) play(ctx context.Context, reader *Reader) error {
	for ctx.Err() == nil {
		e, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p.wait(ctx, e.At)
		p.entry(e)
	}
	p.end = "the replay was stopped"
	return nil
}

// wait lets pass what passed in the
func (p *player) wait(ctx context.Context, at time.Time) {
	gap := at.Sub(p.last)
	if gap <= 0 { // history, from before the recording began
		return
	}
	p.last = at
	if p.speed == 0 {
		return
	}
	timer := time.NewTimer(min(time.Duration(float64(gap)/p.speed), longestGap))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (p *player) entry(e Entry) {
	switch {
	case e.Call != nil:
		p.call(e)
	case e.Gate != nil:
		p.gateCall(e.Gate)
	case e.Evaluation != nil:
		p.poll(e)
	case e.Snapshot != nil:
		p.counts.snapshots++
		p.snapshot = e.Snapshot
		p.view.Show(terminal.Update{Snapshot: e.Snapshot, How: "recorded"})
	case e.Change != nil:
		p.view.Show(terminal.Update{Changes: []status.Change{*e.Change}})
	case e.Trouble != "":
		p.view.Show(terminal.Update{Trouble: e.Trouble})
	case e.End != nil:
		p.end = e.End.Why
	}
}

func (p *player) call(e Entry) {
	c := e.Call
	p.counts.calls++
	if c.Error != "" {
		p.counts.failed++
	}
	if !p.calls {
		return
	}
	line := fmt.Sprintf("%s  %s %s %s %s: ", clock(e.At), c.Node, c.Method, c.Params, c.Took.Round(10*time.Microsecond))
	switch {
	case c.Error != "":
		line += c.Error
	case c.Length > 0:
		line += fmt.Sprintf("(%d bytes, left out)", c.Length)
	default:
		line += string(c.Answer)
	}
	p.view.Print(line)
}

// gateCall prints a call that passed the gate: one that was not simply forwarded and
// answered in any case, the others if all calls are wanted.
func (p *player) gateCall(c *status.Call) {
	p.counts.gate++
	special := c.Action != "forward" || c.Outcome != "ok" && c.Outcome != "delivered"
	if special {
		p.counts.gateSpecial++
	} else if !p.calls {
		return
	}
	slot := "-"
	if c.Slot != nil {
		slot = fmt.Sprint(*c.Slot)
	}
	line := fmt.Sprintf("%s  gate %s slot %s %.1fms: %s, %s", clock(c.At), c.Method, slot, c.DurationMS, c.Action, c.Outcome)
	if c.Tries > 1 {
		line += fmt.Sprintf(" after %d tries", c.Tries)
	}
	if c.Error != "" {
		line += ": " + c.Error
	}
	p.view.Print(terminal.Clean(line))
}

// poll evaluates a recorded poll again.
func (p *player) poll(e Entry) {
	p.counts.polls++
	now, names := p.engine.poll(e.Evaluation.Input)
	p.verdict = now
	if s := p.snapshot; s != nil {
		p.compared++
		if s.Verdict == now {
			p.agreed++
		}
	}
	if now == e.Evaluation.Verdict && slices.Equal(names, e.Evaluation.Findings) {
		return
	}
	p.different++
	p.view.Print(fmt.Sprintf("%s  DIFFERENT: this syncd says %s (%s), recorded was %s (%s)",
		clock(e.At), now, listed(names), e.Evaluation.Verdict, listed(e.Evaluation.Findings)))
}

func clock(at time.Time) string { return at.Local().Format("15:04:05.000") }

func listed(names []string) string {
	if len(names) == 0 {
		return "no finding"
	}
	return strings.Join(names, ", ")
}

func (p *player) summary() string {
	text := fmt.Sprintf("%s (%d failed), %s, %s; the last verdict is %s; %d of %d verdicts differ from the recorded ones",
		counted.Of(p.counts.calls, "call"), p.counts.failed, counted.Of(p.counts.polls, "poll"), counted.Of(p.counts.snapshots, "snapshot"), cmp.Or(p.verdict, "-"), p.different, p.counts.polls)
	if p.counts.gate > 0 {
		text += fmt.Sprintf("; %s passed the gate, %d of them held, answered without gwat or failed", counted.Of(p.counts.gate, "call"), p.counts.gateSpecial)
	}
	if p.compared > 0 {
		text += fmt.Sprintf("; the snapshots then said the same verdict in %s", counted.Part(p.agreed, p.compared, "poll"))
	}
	if p.end != "" {
		text += "; the recording ended because " + p.end
	}
	return terminal.Clean(text)
}
