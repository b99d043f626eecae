package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/buildinfo"
	"github.com/gwatsync/syncd/internal/clidoc"
	"github.com/gwatsync/syncd/internal/commandline"
	"github.com/gwatsync/syncd/operator"
)

// flagValues are the values of flags that have few and are no settings, by command and
// flag; those of a command's own argument have no flag.
var flagValues = clidoc.Values{
	"status.output": "line table json", "calls.output": "table json", "history.output": "table json", "demo.output": "text json", "demo.era": "head-sync coordinated", "demo.until": strings.Trim(fmt.Sprint(fsm.Stages()), "[]"),
	"graph.format": "mermaid dot", "conformance.era": "auto head-sync coordinated", "conformance.only": "gwat beacon both",
	"record.out": clidoc.AnyFile, "completion.": "bash zsh fish", "replay.": clidoc.AnyFile, "explain.": strings.Join(operator.Findings(), " "), "heal.": strings.Join(operator.Heals(), " "),
}

func completionCommand(std stdio) *cli.Command {
	names, uses := clidoc.Shells()
	return &cli.Command{
		Name:        "completion",
		Usage:       "print the completion script of a shell: " + strings.Join(names, ", "),
		ArgsUsage:   strings.Join(names, "|"),
		Description: strings.Join(uses, "\n"),
		Action: func(_ context.Context, cmd *cli.Command) error {
			script, err := clidoc.Completion(cmd.Root(), cmd.Args().Slice(), flagValues)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(std.stdout, script)
			return err
		},
	}
}

func manCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:        "man",
		Usage:       "print the manual page (roff); read it with `syncd man | man -l -`",
		Description: "syncd man > /usr/local/share/man/man1/syncd.1 installs it.",
		Action: commandline.NoArguments(func(_ context.Context, cmd *cli.Command) error {
			_, err := fmt.Fprint(std.stdout, clidoc.ManPage(cmd.Root(), buildinfo.Version(version)))
			return err
		}),
	}
}

func graphCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "graph",
		Usage: "print the diagram of the stages",
		Flags: []cli.Flag{&cli.StringFlag{Name: "format", Value: "mermaid", Usage: "mermaid or dot"}},
		Action: commandline.NoArguments(func(_ context.Context, cmd *cli.Command) error {
			format, err := commandline.OneOf(cmd, "format", "mermaid or dot", "mermaid", "dot")
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(std.stdout, map[string]func() string{"mermaid": fsm.Mermaid, "dot": fsm.DOT}[format]())
			return err
		}),
	}
}

func versionCommand(std stdio) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version of syncd and of its Go",
		Action: commandline.NoArguments(func(context.Context, *cli.Command) error {
			_, err := fmt.Fprintf(std.stdout, "syncd %s (%s %s/%s)\n", buildinfo.Version(version), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		}),
	}
}
