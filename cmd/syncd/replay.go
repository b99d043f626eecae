package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/support/recording"
	"github.com/gwatsync/syncd/ui/terminal"
)

// longestGap is how long a replay stands still at most, whatever the times in
// the bundle say.
const longestGap = 5 * time.Second

// maxSpeed is beyond which a replay is one at once.
const maxSpeed = 10_000

func replayCommand(con console) *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "show a recording again and judge it anew; the exit code tells whether the verdicts are the recorded ones",
		ArgsUsage: "FILE",
		Description: `It shows the stages, verdicts and findings of a bundle of syncd record in the view
of status --watch, lets this syncd judge each recorded look again, and names every
difference to the verdict that was recorded. Flags stand before FILE.`,
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "speed", Value: 1, Usage: "times as fast as it was; 0 for at once, which is the default where there is no terminal"},
			&cli.BoolFlag{Name: "calls", Usage: "print every call to a node, too"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 1 {
				return fail(exitUsage, "replay wants one file behind the flags, got %d: write syncd replay FILE", cmd.Args().Len())
			}
			speed := cmd.Float64("speed")
			if !(speed >= 0) || speed > maxSpeed {
				return fail(exitUsage, "--speed is %v: want 0 to %d", speed, maxSpeed)
			}
			if !cmd.IsSet("speed") && !con.terminal {
				speed = 0
			}
			return replay(ctx, con, cmd.Args().First(), speed, cmd.Bool("calls"))
		},
	}
}

func replay(ctx context.Context, con console, path string, speed float64, calls bool) error {
	file, err := os.Open(path)
	if err != nil {
		return fail(exitUsage, "%w; name a file that syncd record wrote", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return fail(exitUsage, "%s is a directory; name a file that syncd record wrote", path)
	}
	reader, err := recording.NewReader(file)
	if err != nil {
		return bundleError(path, err)
	}
	view := con.view(true)
	p := &player{view: view, speed: speed, calls: calls, judge: newJudge(reader.Header.Poll), last: reader.Header.Made}
	view.Print(fmt.Sprintf("Recorded %s by syncd %s; stages and findings are those of the %s.",
		reader.Header.Made.Local().Format(time.DateTime), reader.Header.By, reader.Header.Source))
	err = p.play(untilDone(ctx, view), reader)
	view.Close()
	if err != nil {
		err = bundleError(path, err)
	}
	fmt.Fprintln(con.stdout, p.summary())
	if err == nil && p.different > 0 {
		return told(exitDifferent)
	}
	return err
}

func bundleError(path string, err error) error {
	remedy := "record it again"
	switch {
	case errors.Is(err, recording.ErrNewer):
		remedy = "" // the error itself tells
	case errors.Is(err, recording.ErrFormat):
		remedy = "name a file that syncd record wrote"
	case errors.Is(err, recording.ErrTruncated):
		remedy = "what was shown is whole; copy the file again or record it again"
	}
	return fail(exitUsage, "%s: %s", path, strings.TrimSuffix(err.Error()+"; "+remedy, "; "))
}

// player is one run of the command.
type player struct {
	view  terminal.View
	speed float64
	calls bool
	judge judge

	last      time.Time // of the recording
	snapshot  *status.Snapshot
	counts    struct{ calls, failed, looks, snapshots int }
	different int
	agreed    int // looks whose verdict the daemon's snapshot had, too
	compared  int
	verdict   string
	end       string
}

func (p *player) play(ctx context.Context, reader *recording.Reader) error {
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

// wait lets pass what passed in the recording.
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

func (p *player) entry(e recording.Entry) {
	switch {
	case e.Call != nil:
		p.call(e)
	case e.Look != nil:
		p.look(e)
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

func (p *player) call(e recording.Entry) {
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

// look judges again what was judged then.
func (p *player) look(e recording.Entry) {
	p.counts.looks++
	now, names := p.judge.look(e.Look.Input)
	p.verdict = now
	if s := p.snapshot; s != nil {
		p.compared++
		if s.Verdict == now {
			p.agreed++
		}
	}
	if now == e.Look.Verdict && slices.Equal(names, e.Look.Findings) {
		return
	}
	p.different++
	p.view.Print(fmt.Sprintf("%s  DIFFERENT: this syncd says %s (%s), recorded was %s (%s)",
		clock(e.At), now, listed(names), e.Look.Verdict, listed(e.Look.Findings)))
}

func clock(at time.Time) string { return at.Local().Format("15:04:05.000") }

func listed(names []string) string {
	if len(names) == 0 {
		return "no finding"
	}
	return strings.Join(names, ", ")
}

func (p *player) summary() string {
	text := fmt.Sprintf("%d calls (%d failed), %d looks, %d snapshots; the last verdict is %s; %d of %d verdicts differ from the recorded ones",
		p.counts.calls, p.counts.failed, p.counts.looks, p.counts.snapshots, orDash(p.verdict), p.different, p.counts.looks)
	if p.compared > 0 {
		text += fmt.Sprintf("; the snapshots then said the same verdict in %d of %d looks", p.agreed, p.compared)
	}
	if p.end != "" {
		text += "; the recording ended because " + p.end
	}
	return terminal.Clean(text)
}
