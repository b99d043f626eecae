package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

func doctorCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "tell in words what is wrong with the pair and what to do; the exit code tells the verdict",
		Description: `It asks the running syncd for its findings. If none answers at --api, it looks
itself, as check does: settings, JWT secret, journal, disk, port, both nodes,
network, clock; it changes nothing on a node, and ends with 3 even if all is well,
since nobody drives the pair then.`,
		Flags: append([]cli.Flag{apiFlag()}, flagsOf(nil)...),
		Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
			client, err := newAPIClient(cmd)
			if err != nil {
				return err
			}
			defer client.Close()
			snap, err := client.Status(ctx)
			if err == nil {
				fmt.Fprint(con.stdout, diagnosis(terminal.CleanSnapshot(snap), time.Now()))
				return told(verdictCode(terminal.Verdict(snap)))
			}
			if errors.Is(err, apiclient.ErrNothing) || ctx.Err() != nil {
				return apiError(err)
			}
			fmt.Fprintf(con.stdout, "%s\n\nSo this is what is seen from here:\n\n", wrapped("No verdict of a running syncd: "+terminal.Clean(err.Error()), 0))
			cfg, err := load(cmd, con, nil)
			if err != nil {
				return err
			}
			if err := cfg.Check(); err != nil {
				return err
			}
			if err := preflight(ctx, cfg, con); err != nil {
				return err
			}
			fmt.Fprintf(con.stdout, "\n%s\n", wrapped("All that can be seen from here is well, but nobody drives the pair: start `syncd run`, or give --api the address of the one that runs.", 0))
			return fail(exitUnreachable, "no syncd answers at %s; start it, or correct --api", client.Address())
		}),
	}
}

// textWidth is that of what doctor writes.
const textWidth = 78

// wrapped breaks a text into lines, each with an indent.
func wrapped(text string, indent int) string {
	lines := strings.Split(ansi.Wrap(text, textWidth-indent, " "), "\n")
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent))
}

// meanings says what a verdict means to who reads it first.
var meanings = map[string]string{
	status.VerdictWorking: "both nodes were seen to do their normal work",
	status.VerdictSyncing: "it is on its way and needs no hand",
	status.VerdictFailing: "it does not do its work; see what is critical below",
	status.VerdictPaused:  "an operator has stopped syncd's hand; `syncd resume` ends that",
	status.VerdictHalted:  "a human is needed",
	status.VerdictUnknown: "syncd has not seen both nodes yet; ask again in a moment",
}

// diagnosis is a clean snapshot in words.
func diagnosis(s *status.Snapshot, now time.Time) string {
	var out strings.Builder
	paragraph := func(indent int, format string, args ...any) {
		out.WriteString(strings.Repeat(" ", indent) + wrapped(fmt.Sprintf(format, args...), indent) + "\n")
	}
	verdict := terminal.Verdict(s)
	paragraph(0, "The pair %s is %s: %s.", s.Pair, strings.ToUpper(verdict), meanings[verdict])
	paragraph(0, "Its stage is %s, for %s.", s.Stage, terminal.Ago(s.Since, now))
	if s.Waiting != "" {
		paragraph(0, "It waits: %s.", strings.TrimSuffix(s.Waiting, "."))
	}
	if s.ETA != nil && verdict != status.VerdictWorking {
		paragraph(0, "It may work %s.", terminal.Until(*s.ETA, now))
	}
	if apart := now.Sub(s.At); apart < -clockApart || apart > staleStatus {
		paragraph(0, "This status is of %s, the clock here says %s: syncd hangs, or the clocks of the two machines differ.",
			s.At.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if len(s.Findings) == 0 {
		out.WriteString("\nNothing is found to be wrong.\n")
	}
	for i, f := range s.Findings {
		fmt.Fprintf(&out, "\n%d. %s (%s, %s, for %s)\n", i+1, f.Name, f.Severity, f.Node, terminal.Ago(f.Since, now))
		paragraph(3, "%s", f.Summary)
		for _, e := range f.Evidence {
			paragraph(3, "Seen: %s", e)
		}
		if f.Remedy != "" {
			paragraph(3, "Do: %s", f.Remedy)
		}
	}
	return out.String()
}

// How far a status may be from the clock here: syncd looks every ten seconds at
// the longest.
const (
	clockApart  = 2 * time.Second
	staleStatus = 15 * time.Second
)
