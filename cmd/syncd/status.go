package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// The forms of a status.
const (
	outputLine  = "line"
	outputTable = "table"
	outputJSON  = "json"
)

const (
	// statusTimeout bounds one ask of a probe; the answer is in syncd's memory.
	statusTimeout = 5 * time.Second
	watchInterval = time.Second
)

func statusCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "ask a running syncd how its pair is; the exit code tells the verdict, too",
		Description: `Without a flag it prints one line for scripts: name=value in this order, - for
what is not known, quotes around a value with blanks. New fields are added behind
the last.

` + terminal.LineHelp() + `
With --watch it goes on until q or Ctrl-C: a live view on a terminal, a line for
each change elsewhere, and with --output line, table or json that form for each
new snapshot. NO_COLOR is obeyed.`,
		Flags: []cli.Flag{
			apiFlag(),
			&cli.BoolFlag{Name: "watch", Usage: "go on and show each change"},
			&cli.StringFlag{Name: "output", Value: outputLine, Usage: "line, table or json"},
		},
		Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
			form := cmd.String("output")
			if form != outputLine && form != outputTable && form != outputJSON {
				return fail(exitUsage, "--output is %q: want line, table or json", form)
			}
			client, err := newAPIClient(cmd)
			if err != nil {
				return err
			}
			defer client.Close()
			if cmd.Bool("watch") {
				if cmd.IsSet("output") {
					return printNews(ctx, con, client, form)
				}
				return watch(ctx, con, client)
			}
			snap, err := client.Status(ctx)
			if err != nil {
				return apiError(err)
			}
			if err := printStatus(con, snap, form); err != nil {
				return err
			}
			return told(verdictCode(terminal.Verdict(snap)))
		}),
	}
}

func apiFlag() cli.Flag {
	return &cli.StringFlag{Name: "api", Value: "http://127.0.0.1:8650", Usage: "`URL` of the running syncd"}
}

func newAPIClient(cmd *cli.Command) (*apiclient.Client, error) {
	if _, err := apiURL(cmd.String("api")); err != nil {
		return nil, err
	}
	client, err := apiclient.New(cmd.String("api"))
	if err != nil {
		return nil, fail(exitUsage, "--api: %w", err)
	}
	return client, nil
}

// apiError gives an answer that is no status its exit code.
func apiError(err error) error {
	if errors.Is(err, apiclient.ErrNothing) {
		return fail(exitUnknown, "%w; ask again in a moment", err)
	}
	return fail(exitUnreachable, "%w", err)
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Value: "text", Usage: "text or json"}
}

func wantsJSON(cmd *cli.Command) (bool, error) {
	switch out := cmd.String("output"); out {
	case "text":
		return false, nil
	case "json":
		return true, nil
	default:
		return false, fail(exitUsage, "--output is %q: want text or json", out)
	}
}

func printStatus(con console, snap *status.Snapshot, form string) error {
	var err error
	switch form {
	case outputJSON:
		var data []byte
		if data, err = terminal.JSON(snap); err == nil {
			_, err = con.stdout.Write(data)
		}
	case outputTable:
		_, err = fmt.Fprint(con.stdout, statusTable(terminal.CleanSnapshot(snap), time.Now()))
	default:
		_, err = fmt.Fprintln(con.stdout, terminal.Line(snap))
	}
	return err
}
