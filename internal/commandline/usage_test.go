package commandline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

func TestErrorsKeepToOneLine(t *testing.T) {
	var stderr bytes.Buffer
	require.Equal(t, exit.Internal, Report(&stderr, errors.New("first\n  second\r\nthird")))
	require.Equal(t, "syncd: first second third\n", stderr.String())
	stderr.Reset()
	require.Equal(t, exit.Different, Report(&stderr, exit.Reported(exit.Different)))
	require.Empty(t, stderr.String())
}

// ran runs a command that has the flags of all settings.
func ran(t *testing.T, environ []string, args ...string) (cfg *settings.Config, err error) {
	t.Helper()
	cmd := &cli.Command{
		Name: "run", Flags: SettingFlags(nil), HideHelpCommand: true, OnUsageError: UsageError,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Action: NoArguments(func(_ context.Context, cmd *cli.Command) (err error) {
			cfg, err = Source{Command: cmd, Environ: environ}.Load(false, nil)
			return err
		}),
	}
	return cfg, cmd.Run(t.Context(), append([]string{"run"}, args...))
}

func TestFlagsOfTheSettings(t *testing.T) {
	for _, s := range settings.All {
		value := map[string]string{"text": "info", "number": "42", "duration": "42s", "true or false": "true", "list": "a,b"}[s.Form()]
		cfg, err := ran(t, nil, "--"+s.Key+"="+value)
		require.NoError(t, err, s.Key)
		require.Equal(t, settings.FromFlag, cfg.Source(s.Key), s.Key)
	}
	cfg, err := ran(t, []string{"SYNCD_OBSERVE=true", "SYNCD_PAIR=east"}, "--observe=false")
	require.NoError(t, err)
	require.False(t, cfg.Observe)
	require.Equal(t, "east", cfg.Pair)
}

func TestMistakesAreNamed(t *testing.T) {
	secret := strings.Repeat("5ec2e7a1", 8)
	for args, parts := range map[string][]string{
		"--gwat.endpiont=x":     {"gwat.endpiont", `the nearest known one is "--gwat.endpoint"`, "--help` lists the flags"},
		"--piar x":              {`the nearest known one is "--pair"`},
		"--observe=maybe":       {`--observe is "maybe": want true or false`},
		"--pair":                {"flag needs an argument"},
		"now":                   {`unexpected argument "now"`},
		"cafe":                  {`unexpected argument "cafe"`},
		"--pair=a " + secret:    {`unexpected argument "***"`},
		"--poll-interval=often": {`--poll-interval is "often": want a duration`},
	} {
		_, err := ran(t, nil, strings.Fields(args)...)
		require.Equal(t, exit.Usage, exit.Of(err), args)
		for _, part := range parts {
			require.ErrorContains(t, err, part)
		}
		require.NotContains(t, err.Error(), secret)
	}
}

func TestOneCommandLine(t *testing.T) {
	app := func() *cli.Command {
		return NewApp(&cli.Command{Name: "syncd", Writer: io.Discard, ErrWriter: io.Discard, Commands: []*cli.Command{
			{Name: "version", Action: NoArguments(func(context.Context, *cli.Command) error { return nil })},
			{Name: "wait", Flags: []cli.Flag{&cli.DurationFlag{Name: "timeout"}}, Action: func(context.Context, *cli.Command) error { return exit.Reported(exit.Paused) }},
		}})
	}
	for args, want := range map[string]struct {
		code int
		line string
	}{
		"--version":        {exit.OK, ""},
		"wait":             {exit.Paused, ""},
		"wiat":             {exit.Usage, "syncd: unknown command \"wiat\", the nearest known one is \"wait\"; `syncd help` lists the commands\n"},
		"wait --tiemout 3": {exit.Usage, "syncd: unknown flag \"--tiemout\", the nearest known one is \"--timeout\"; `syncd wait --help` lists the flags\n"},
		"version 1":        {exit.Usage, "syncd: unexpected argument \"1\"; `syncd version --help` lists the flags\n"},
	} {
		var stderr bytes.Buffer
		require.Equal(t, want.code, Run(t.Context(), app(), append([]string{"syncd"}, strings.Fields(args)...), &stderr), args)
		require.Equal(t, want.line, stderr.String())
	}
}

// A value that is empty is one, as with two arguments: the flag behind it is not taken for it.
func TestAnEmptyValueTakesNoOtherFlag(t *testing.T) {
	for _, args := range [][]string{
		{"--gwat.jwt-secret=", "--observe", "--pair", "x"}, {"-gwat.jwt-secret=", "--observe", "--pair=x"},
		{"--observe", "--pair", "x", "--gwat.jwt-secret="}, {"--api.allowed-hosts=", "--observe=", "--pair", "x"},
	} {
		var cfg *settings.Config
		app := NewApp(&cli.Command{Name: "syncd", Commands: []*cli.Command{{
			Name: "run", Flags: SettingFlags(nil),
			Action: NoArguments(func(_ context.Context, cmd *cli.Command) (err error) {
				cfg, err = Source{Command: cmd}.Load(false, nil)
				return err
			}),
		}}})
		var stderr bytes.Buffer
		require.Equal(t, exit.OK, Run(t.Context(), app, append([]string{"syncd", "run"}, args...), &stderr), "%q: %s", args, &stderr)
		require.True(t, cfg.Observe, args)
		require.Empty(t, cfg.Gwat.JWTSecret, args)
		require.Equal(t, "x", cfg.Pair, args)
	}
	app := &cli.Command{Flags: []cli.Flag{&cli.BoolFlag{Name: "observe"}}}
	require.Equal(t, []string{"a", "--b", "", "--c=d=", "--observe=", "--", "--e="}, emptyValues(app, []string{"a", "--b=", "--c=d=", "--observe=", "--", "--e="}))
}
