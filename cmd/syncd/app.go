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
	return commandline.Run(ctx, newApp(std), std.args, std.stderr)
}

func newApp(std stdio) *cli.Command {
	return commandline.NewApp(&cli.Command{
		Name:  "syncd",
		Usage: "take a gwat node and a beacon node from any state to working mode",
		Commands: []*cli.Command{
			runCommand(std), demoCommand(std), statusCommand(std), waitCommand(std), healthcheckCommand(std),
			callsCommand(std), historyCommand(std), pauseCommand(std), resumeCommand(std), resyncCommand(std), healCommand(std), tokenCommand(std),
			checkCommand(std), doctorCommand(std), explainCommand(std), recordCommand(std), replayCommand(std), conformanceCommand(std),
			graphCommand(std), completionCommand(std), manCommand(std), versionCommand(std),
		},
		Writer:    std.stdout,
		ErrWriter: std.stderr,
	})
}
