package main

import (
	"context"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/commandline"
	"github.com/gwatsync/syncd/ui/terminal"
)

// stdio is what a command has of the outside.
type stdio struct {
	args     []string
	environ  func() []string
	stdout   io.Writer
	stderr   io.Writer
	terminal bool     // stdout is one
	keyboard *os.File // stdin, if it is a terminal
	places   commandline.Places
}

func (s stdio) source(cmd *cli.Command) commandline.Source {
	return commandline.Source{Command: cmd, Environ: s.environ(), Places: s.places}
}

func (s stdio) view(replay bool) terminal.View {
	return terminal.Open(terminal.Options{
		Out: s.stdout, Log: s.stderr, In: s.keyboard, Environ: s.environ(), Terminal: s.terminal, Replay: replay,
	})
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, std stdio) int {
	args := std.args
	if len(args) == 2 && args[1] == "--version" { // as most programs take it
		args = []string{args[0], "version"}
	}
	return commandline.Report(std.stderr, newApp(std).Run(ctx, args))
}

func newApp(std stdio) *cli.Command {
	app := &cli.Command{
		Name:  "syncd",
		Usage: "take a gwat node and a beacon node from any state to working mode",
		Commands: []*cli.Command{
			runCommand(std), demoCommand(std), statusCommand(std), waitCommand(std), healthcheckCommand(std),
			callsCommand(std), pauseCommand(std), resumeCommand(std), resyncCommand(std), healCommand(std), tokenCommand(std),
			checkCommand(std), doctorCommand(std), explainCommand(std), recordCommand(std), replayCommand(std), conformanceCommand(std),
			graphCommand(std), completionCommand(std), manCommand(std), versionCommand(std),
		},
		Writer:      std.stdout,
		ErrWriter:   std.stderr,
		HideVersion: true,
		// execute writes the error and chooses the code.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Action:         commandline.Unknown,
	}
	for _, cmd := range append(app.Commands, app) {
		cmd.OnUsageError = commandline.UsageError
		cmd.HideHelpCommand = cmd != app
	}
	return app
}
