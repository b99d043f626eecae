package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/commandline"
	"github.com/gwatsync/syncd/internal/logs"
	"github.com/gwatsync/syncd/operator"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

func statusCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "ask a running syncd how its pair is; the exit code is the verdict",
		Description: `It prints a table on a terminal, and elsewhere one line for scripts: name=value in
this order, - for what is not known, quotes around a value with blanks. New fields
are added behind the last.

` + terminal.LineHelp() + `
With --watch it goes on until q or Ctrl-C: a live view on a terminal, a line for
each change elsewhere, and with --output line, table or json that form for each
new snapshot. NO_COLOR is obeyed.`,
		Flags: commandline.ClientFlags(
			&cli.BoolFlag{Name: "watch", Usage: "keep running and show each change"},
			&cli.StringFlag{Name: "output", Value: operator.FormLine, Usage: "line, table or json; without it a table on a terminal"}),
		Action: commandline.Asked(std.source, func(ctx context.Context, cmd *cli.Command, client *apiclient.Client) error {
			form, err := commandline.OneOf(cmd, "output", "line, table or json", operator.FormLine, operator.FormTable, operator.FormJSON)
			switch {
			case err != nil:
				return err
			case cmd.Bool("watch") && cmd.IsSet("output"):
				return operator.Print(ctx, client, std.stdout, std.stderr, form)
			case cmd.Bool("watch"):
				operator.Watch(ctx, client, std.view(false))
				return nil
			case std.terminal && !cmd.IsSet("output"):
				form = operator.FormTable
			}
			return operator.Status(ctx, client, std.stdout, form)
		}),
	}
}

func waitCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "wait",
		Usage: "wait until /readyz of a running syncd says that the pair works, to start something only then",
		Flags: commandline.ClientFlags(&cli.DurationFlag{Name: "timeout", Usage: "how long to wait at most; 0 for as long as it takes"}),
		Action: commandline.Asked(std.source, func(ctx context.Context, cmd *cli.Command, client *apiclient.Client) error {
			return operator.Wait(ctx, client, std.stdout, cmd.Duration("timeout"))
		}),
	}
}

func doctorCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "say in words what is wrong with the pair and what to do; the exit code is the verdict",
		Description: `It asks the running syncd for its findings. If none answers, it looks itself, as
check does: settings, JWT secret, journal, disk, port, both nodes, network, clock;
it changes nothing on a node, and ends with 3 even if all is well, since nobody
drives the pair then.`,
		Flags: append(commandline.WhereFlags(), commandline.SettingFlags(nil)...),
		Action: commandline.Asked(std.source, func(ctx context.Context, cmd *cli.Command, client *apiclient.Client) error {
			return operator.Doctor(ctx, client, logs.ToTheEnd(std.stdout), func() (*settings.Config, error) { return std.source(cmd).Load(true, nil) })
		}),
	}
}

func explainCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "say what a finding means, whether it is urgent, whether data is at risk, and what to do; without one, list them all",
		ArgsUsage: "[FINDING]",
		Action: func(_ context.Context, cmd *cli.Command) error {
			return operator.Explain(std.stdout, cmd.Args().Slice()...)
		},
	}
}

func pauseCommand(std stdio) *cli.Command {
	return std.order("pause", "have a running syncd keep its hands off both nodes", func(cmd *cli.Command) []any { return []any{cmd.String("reason")} }, commandline.ReasonFlag())
}

func resumeCommand(std stdio) *cli.Command {
	return std.order("resume", "end a pause of a running syncd", func(*cli.Command) []any { return nil })
}

func resyncCommand(std stdio) *cli.Command {
	full := &cli.BoolFlag{Name: "full", Usage: "begin the push at the last checkpoint whatever gwat has beyond it; gwat rolls that back"}
	force := &cli.BoolFlag{Name: "force", Usage: "also of a pair that works: a block that comes while gwat's lock is held ends the beacon node's head until that node is restarted"}
	return std.order("resync", "have a running syncd take its pair through all stages again", func(cmd *cli.Command) []any {
		return []any{api.ResyncOrder{Reason: cmd.String("reason"), Full: cmd.Bool("full"), Force: cmd.Bool("force")}}
	}, commandline.ReasonFlag(), full, force)
}

func healCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:      "heal",
		Usage:     "show the proof and the exact calls of a heal of a pair of the coordinated era (--dry-run), or have a running syncd begin it if its proof holds now; without one, list them all",
		ArgsUsage: "[" + strings.Join(operator.Heals(), "|") + "]",
		Flags:     commandline.ClientFlags(&cli.BoolFlag{Name: "dry-run", Usage: "only show it; it needs no permission"}, commandline.SecretFlag()),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			order := status.HealOrder{DryRun: cmd.Bool("dry-run")}
			var err error
			if order.Name, err = operator.HealName(cmd.Args().Slice()); err != nil {
				return err
			}
			where, err := std.source(cmd).Where(!order.DryRun)
			if err != nil {
				return err
			}
			return operator.Heal(ctx, where, std.stdout, order)
		},
	}
}

// order is a command that changes what a running syncd does.
func (s stdio) order(name, usage string, params func(*cli.Command) []any, flags ...cli.Flag) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage,
		Flags: commandline.ClientFlags(append(flags, commandline.SecretFlag())...),
		Action: commandline.Found(s.source, true, func(ctx context.Context, cmd *cli.Command, where operator.Where) error {
			return operator.Order(ctx, where, s.stdout, "syncd_"+name, params(cmd)...)
		}),
	}
}

func tokenCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "token",
		Usage: "print a token for the calls of the API that change something; syncd takes it for a minute",
		Description: `  curl -H "Authorization: Bearer $(syncd token --jwt-secret api.hex)" ...
It is made from the file of --jwt-secret, or of api.jwt-secret in the settings of
the running syncd. Such a file is made by syncd token --new api.hex`,
		Flags: commandline.ClientFlags(commandline.SecretFlag(), &cli.StringFlag{Name: "new", Usage: "write a fresh secret for api.jwt-secret into this `FILE`, which only this user may read, and make the token from it", HideDefault: true}),
		Action: commandline.Found(std.source, true, func(_ context.Context, cmd *cli.Command, where operator.Where) error {
			return where.PrintToken(std.stdout, cmd.String("new"))
		}),
	}
}

// healthcheckCommand is the check of a container: its image has no shell and no curl.
func healthcheckCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "healthcheck",
		Usage: "ask whether the syncd of this container is alive, whatever its pair does; at SYNCD_API, or at the address that SYNCD_API_LISTEN and SYNCD_API_TLS_CERT set",
		Action: commandline.NoArguments(func(ctx context.Context, _ *cli.Command) error {
			return operator.Alive(ctx, std.environ())
		}),
	}
}
