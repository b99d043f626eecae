package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/commandline"
	"github.com/gwatsync/syncd/operator"
	"github.com/gwatsync/syncd/status"
)

func historyCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "history",
		Usage: "show the stage changes of a running syncd, the newest last: time, from, to, reason",
		Flags: commandline.ClientFlags(
			&cli.IntFlag{Name: "limit", Value: 20, Usage: "the newest of them, at most so many, 1 to 10000"},
			&cli.StringFlag{Name: "output", Value: operator.FormTable, Usage: "table, or json: an object a line for each change"}),
		Action: commandline.Asked(std.source, func(ctx context.Context, cmd *cli.Command, client *apiclient.Client) error {
			return operator.History(ctx, client, std.stdout, cmd.Int("limit"), cmd.String("output"))
		}),
	}
}

func callsCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "calls",
		Usage: "show the calls that passed the gate of a running syncd: time, method, slot, duration, outcome",
		Description: `The oldest of the chosen calls comes first. Outcomes: ok, error (gwat answered one),
status (an HTTP status other than 2xx), down (gwat was not reached), cut (no whole
answer), answered and absorbed (without gwat), gone (the caller hung up), delivered
(a notification), unanswered.

  syncd calls --follow --method dag_finalize
  syncd calls --since 10m --outcome absorbed --outcome error
  syncd calls --min-duration 500ms --output json`,
		Flags: commandline.ClientFlags(
			&cli.BoolFlag{Name: "follow", Usage: "keep running and show each call that comes"},
			&cli.StringFlag{Name: "output", Value: operator.FormTable, Usage: "table, or json: an object a line for each call"},
			&cli.StringSliceFlag{Name: "method", Usage: "only calls of this `METHOD`; may be given more than once", HideDefault: true},
			&cli.StringSliceFlag{Name: "outcome", Usage: "only calls with this `OUTCOME`; may be given more than once", HideDefault: true},
			&cli.StringSliceFlag{Name: "action", Usage: "only calls with which the gate did this: forward, answer, hold, mend or vouch; may be given more than once", HideDefault: true},
			&cli.DurationFlag{Name: "min-duration", Usage: "only calls that took at least so long", HideDefault: true},
			&cli.StringFlag{Name: "since", Usage: "only calls since then: a duration before now, such as 10m, or a `TIME` such as 2026-01-02T15:04:05Z", HideDefault: true},
			&cli.IntFlag{Name: "limit", Value: status.DefaultCalls, Usage: fmt.Sprintf("the newest of them, at most so many, 1 to %d", status.MaxCalls)}),
		Action: commandline.Asked(std.source, func(ctx context.Context, cmd *cli.Command, client *apiclient.Client) error {
			return operator.Calls(ctx, client, std.stdout, std.stderr, operator.CallsOrder{
				Filter: status.CallFilter{Methods: cmd.StringSlice("method"), Outcomes: cmd.StringSlice("outcome"), Actions: cmd.StringSlice("action"), Limit: cmd.Int("limit")},
				Least:  cmd.Duration("min-duration"), Since: cmd.String("since"), Follow: cmd.Bool("follow"), Form: cmd.String("output"),
			})
		}),
	}
}
