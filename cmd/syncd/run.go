package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/buildinfo"
	"github.com/gwatsync/syncd/internal/commandline"
	"github.com/gwatsync/syncd/internal/daemon"
	"github.com/gwatsync/syncd/internal/demo"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/ui/terminal"
)

func runCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "drive a pair until stopped; a node that is down is waited for",
		Flags: commandline.SettingFlags(nil),
		Action: commandline.NoArguments(func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := std.source(cmd).Load(false, nil)
			if err != nil {
				return err
			}
			cfg.UseUserSocket(std.environ())
			return daemon.Serve(ctx, cfg, buildinfo.Version(version), std.stderr)
		}),
	}
}

func demoCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "run a simulated pair and syncd in one process",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "until", Usage: "exit with 0 as soon as this `STAGE` is reached; without it the demo stays up", HideDefault: true},
			&cli.DurationFlag{Name: "timeout", Value: demo.DefaultTimeout, Usage: "how long to wait for the stage of --until"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "what the simulated network is made from"},
			&cli.StringFlag{Name: "era", Value: string(checkpoint.EraHeadSync), Usage: "era of the simulated nodes: head-sync, or coordinated (today's network)"},
			&cli.StringFlag{Name: "output", Value: "text", Usage: "text or json"},
		}, commandline.SettingFlags(demo.Defaults, settings.ServingKeys()...)...),
		Action: commandline.NoArguments(func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := std.source(cmd).Load(false, demo.Defaults)
			if err != nil {
				return err
			}
			cfg.UseUserSocket(std.environ())
			if err := cfg.CheckServing(); err != nil {
				return exit.With(exit.Usage, err)
			}
			output, err := commandline.OneOf(cmd, "output", "text or json", "text", "json")
			if err != nil {
				return err
			}
			d := &demo.Demo{
				Settings: cfg, Version: buildinfo.Version(version), Until: fsm.Stage(cmd.String("until")), Timeout: cmd.Duration("timeout"), Seed: cmd.Uint64("seed"),
				Era:     checkpoint.Era(cmd.String("era")),
				AnyPort: cfg.Source("api.listen") == settings.FromDefault,
			}
			return d.Show(ctx, func() terminal.View {
				if output == "json" {
					return demo.JSON(std.stdout, std.stderr)
				}
				return std.view(false)
			})
		}),
	}
}
