package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/urfave/cli/v3"
)

// console is what a command has of the outside.
type console struct {
	args     []string
	environ  func() []string
	stdout   io.Writer
	stderr   io.Writer
	terminal bool     // stdout is one
	keyboard *os.File // stdin, if it is a terminal
}

// execute runs one command line and gives its exit code.
func execute(ctx context.Context, con console) int {
	args := con.args
	if len(args) == 2 && args[1] == "--version" { // as most programs take it
		args = []string{args[0], "version"}
	}
	return report(con.stderr, newApp(con).Run(ctx, args))
}

func newApp(con console) *cli.Command {
	app := &cli.Command{
		Name:  "syncd",
		Usage: "take a gwat node and a beacon node from any state to working mode",
		Commands: slices.Concat([]*cli.Command{
			runCommand(con), demoCommand(con), statusCommand(con), waitCommand(con),
		}, orderCommands(con), []*cli.Command{
			checkCommand(con), doctorCommand(con), recordCommand(con), replayCommand(con), conformanceCommand(con), graphCommand(con), completionCommand(con), manCommand(con), versionCommand(con),
		}),
		Writer:      con.stdout,
		ErrWriter:   con.stderr,
		HideVersion: true,
		// execute tells the error and chooses the code.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if name := cmd.Args().First(); name != "" {
				return fail(exitUsage, "unknown command %q%s; `syncd help` lists the commands", name, didYouMean(name, commandNames(cmd)))
			}
			return cli.ShowAppHelp(cmd)
		},
	}
	for _, cmd := range append(app.Commands, app) {
		cmd.OnUsageError = usageError
		cmd.HideHelpCommand = cmd != app
	}
	return app
}

func commandNames(cmd *cli.Command) []string {
	var names []string
	for _, c := range cmd.Commands {
		names = append(names, c.Name)
	}
	return names
}

// noArguments refuses what stands behind the flags: a forgotten -- would
// otherwise be dropped in silence.
func noArguments(action cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		if cmd.Args().Present() {
			return fail(exitUsage, "unexpected argument %q; `%s --help` lists the flags", cmd.Args().First(), cmd.FullName())
		}
		return action(ctx, cmd)
	}
}

// errTold ends a command whose output has already said what is wrong.
var errTold = errors.New("")

// told is errTold with a code; 0 gives nil.
func told(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitError{code: code, err: errTold}
}
