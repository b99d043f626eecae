package commandline

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/ui/terminal"
)

// NewApp completes the command of a program and those below it: what is misspelt gets one
// line in place of the help text, and Run writes it.
func NewApp(app *cli.Command) *cli.Command {
	app.HideVersion = true
	app.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	app.Action = Unknown
	for _, cmd := range append(slices.Clone(app.Commands), app) {
		cmd.OnUsageError = UsageError
		cmd.HideHelpCommand = cmd != app
	}
	return app
}

// Run runs one command line, writes the line of its error to stderr, and returns its exit
// code. --version is the command version, as most programs take it.
func Run(ctx context.Context, app *cli.Command, args []string, stderr io.Writer) int {
	if len(args) == 2 && args[1] == "--version" {
		args = []string{args[0], "version"}
	}
	return Report(stderr, app.Run(ctx, emptyValues(app, args)))
}

// emptyValues writes --name= as two arguments, the second one empty. The library would take
// the next argument for the value: --api.socket= --observe would not observe.
// A switch takes no value from there, and stays as it is.
func emptyValues(app *cli.Command, args []string) []string {
	var out []string
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		name, empty := strings.CutSuffix(arg, "=")
		if !empty || !strings.HasPrefix(arg, "-") || strings.Contains(name, "=") || isSwitch(app, strings.TrimLeft(name, "-")) {
			out = append(out, arg)
			continue
		}
		out = append(out, name, "")
	}
	return out
}

// isSwitch reports whether some command has a flag of that name that is true or false.
func isSwitch(app *cli.Command, name string) bool {
	for _, cmd := range append(slices.Clone(app.Commands), app) {
		for _, f := range cmd.Flags {
			if _, is := f.(*cli.BoolFlag); is && slices.Contains(f.Names(), name) {
				return true
			}
		}
	}
	return false
}

// Report writes the one line that an error gets, and returns its exit code. An error
// without text has been reported already.
func Report(stderr io.Writer, err error) int {
	if err != nil && err.Error() != "" {
		fmt.Fprintln(stderr, "syncd: "+terminal.Clean(err.Error()))
	}
	return exit.Of(err)
}

// Unknown is the action of the program itself: it shows the help, or refuses the name of
// a command that there is not.
func Unknown(_ context.Context, cmd *cli.Command) error {
	name := cmd.Args().First()
	if name == "" {
		return cli.ShowAppHelp(cmd)
	}
	var names []string
	for _, c := range cmd.Commands {
		names = append(names, c.Name)
	}
	return exit.Errorf(exit.Usage, "unknown command %q%s; `syncd help` lists the commands", endpoint.MaskWord(name), settings.DidYouMean(name, names))
}

// NoArguments refuses arguments behind the flags: a forgotten -- would otherwise be
// dropped in silence.
func NoArguments(action cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		if cmd.Args().Present() {
			return exit.Errorf(exit.Usage, "unexpected argument %q; `%s --help` lists the flags", endpoint.MaskWord(cmd.Args().First()), cmd.FullName())
		}
		return action(ctx, cmd)
	}
}

// How the library begins its errors about a command line.
var (
	invalidValue = regexp.MustCompile(`(?s)^invalid value ("(?:[^"\\]|\\.)*") for flag -+([a-z.-]+): `)
	unknownFlag  = regexp.MustCompile(`^flag provided but not defined: -+(\S{1,100})`)
)

// UsageError gives a bad command line its one line instead of the help text.
func UsageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	if m := invalidValue.FindStringSubmatch(err.Error()); m != nil {
		if want := wanted(cmd, m[2]); want != "" {
			return exit.Errorf(exit.Usage, "--%s is %s: want %s", m[2], m[1], want)
		}
	}
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil {
		var names []string
		for _, f := range cmd.Flags {
			names = append(names, "--"+f.Names()[0])
		}
		return exit.Errorf(exit.Usage, "unknown flag %q%s; `%s --help` lists the flags", "--"+endpoint.MaskWord(m[1]), settings.DidYouMean("--"+m[1], names), cmd.FullName())
	}
	return exit.Errorf(exit.Usage, "%w; `%s --help` lists the flags", err, cmd.FullName())
}

// wanted says what form the value of a flag has, "" for one that takes any text.
func wanted(cmd *cli.Command, name string) string {
	for _, f := range cmd.Flags {
		if !slices.Contains(f.Names(), name) {
			continue
		}
		switch f.(type) {
		case *cli.DurationFlag:
			return "a duration such as 30s or 2m"
		case *cli.IntFlag, *cli.Uint64Flag:
			return "a whole number"
		case *cli.Float64Flag:
			return "a number such as 1 or 0.5"
		case *cli.BoolFlag:
			return "true or false"
		}
	}
	return ""
}

// OneOf returns the value of a flag that has few. want names them in the error.
func OneOf(cmd *cli.Command, name, want string, values ...string) (string, error) {
	value := cmd.String(name)
	if !slices.Contains(values, value) {
		return "", exit.Errorf(exit.Usage, "--%s is %q: want %s", name, value, want)
	}
	return value, nil
}
