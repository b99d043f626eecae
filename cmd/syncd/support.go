package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/buildinfo"
	"github.com/gwatsync/syncd/internal/commandline"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/logs"
	"github.com/gwatsync/syncd/operator"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/support/conformance"
	"github.com/gwatsync/syncd/support/preflight"
	"github.com/gwatsync/syncd/support/recording"
)

func checkCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "say before the start what does not fit: endpoints, network, settings; changes nothing on a node",
		Flags: commandline.SettingFlags(nil),
		Action: commandline.Checked(std.source, false, func(ctx context.Context, cmd *cli.Command, cfg *settings.Config) error {
			return preflight.Print(ctx, cfg, logs.ToTheEnd(std.stdout))
		}),
	}
}

func recordCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "record",
		Usage: "write what both nodes answer, and what becomes of the pair, into a file for support; secrets and addresses are masked",
		Description: `It polls both nodes by calls that change nothing, as syncd run does, and takes
stages, findings and history from the running syncd, if one answers; otherwise
from a health engine of its own. Masked are credentials, tokens, secrets, host
names, IP addresses, peer ids, accounts and home directories; equal things get
equal masks. Read the file with syncd replay.`,
		Flags: append(append([]cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "`FILE` to write; it must not be there yet", HideDefault: true},
			&cli.DurationFlag{Name: "for", Value: recording.DefaultFor, Usage: "how long to record"},
			&cli.IntFlag{Name: "max-size", Value: recording.DefaultSize, Usage: "end at so many MiB, before compression"},
		}, commandline.WhereFlags()...), commandline.SettingFlags(nil, "gwat.endpoint", "gwat.jwt-secret", "beacon.endpoint", "poll-interval", "call-timeout")...),
		Action: commandline.Checked(std.source, true, func(ctx context.Context, cmd *cli.Command, cfg *settings.Config) error {
			r := &recording.Recorder{
				Settings: cfg, Version: buildinfo.Version(version), Path: cmd.String("out"), For: cmd.Duration("for"), Limit: cmd.Int("max-size") << 20, Notes: std.stderr,
			}
			where, err := std.source(cmd).Where(false)
			if err != nil {
				return err
			}
			if r.Client, err = where.Client(); err != nil {
				return err
			}
			defer r.Client.Close()
			summary, err := r.Run(ctx)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(std.stdout, summary)
			return err
		}),
	}
}

func replayCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "show a recording again and evaluate it again; the exit code says whether the verdicts are the recorded ones",
		ArgsUsage: "FILE",
		Description: `It shows the stages, verdicts and findings of a bundle of syncd record in the view
of status --watch, lets this syncd evaluate each recorded poll again, and names every
difference from the verdict that was recorded. Flags come before FILE.`,
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "speed", Value: 1, Usage: "times as fast as it was; 0 for at once, which is the default where there is no terminal"},
			&cli.BoolFlag{Name: "calls", Usage: "print every call to a node and through the gate, too"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 1 {
				return exit.Errorf(exit.Usage, "replay wants one file behind the flags, got %d: write syncd replay FILE", cmd.Args().Len())
			}
			speed := cmd.Float64("speed")
			if !cmd.IsSet("speed") && !std.terminal {
				speed = 0
			}
			view := std.view(true)
			ctx, cancel := operator.UntilDone(ctx, view)
			defer cancel()
			summary, err := recording.Replay(ctx, view, cmd.Args().First(), speed, cmd.Bool("calls"))
			if summary != "" {
				fmt.Fprintln(std.stdout, summary)
			}
			return err
		},
	}
}

func conformanceCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "conformance",
		Usage: "compare the answers of both nodes with the forms that syncd relies on, and name each that differs; changes nothing on a node",
		Description: `Each line is one call of the API tables: ok, DIFF with what was wanted and what
came, or skip with the reason. Only calls that change nothing are made.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "era", Aliases: []string{"generation"}, Value: conformance.Auto, Usage: "auto (gwat is asked), head-sync or coordinated"},
			&cli.StringFlag{Name: "only", Value: conformance.Both, Usage: "gwat, beacon or both"},
		}, commandline.SettingFlags(nil, "gwat.endpoint", "gwat.jwt-secret", "beacon.endpoint", "call-timeout")...),
		Action: commandline.Checked(std.source, false, func(ctx context.Context, cmd *cli.Command, cfg *settings.Config) error {
			return conformance.Print(ctx, cfg, logs.ToTheEnd(std.stdout), cmd.String("era"), cmd.String("only"))
		}),
	}
}
