package clidoc

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

func app() *cli.Command {
	return &cli.Command{Name: "syncd", Usage: "drive a pair", Commands: []*cli.Command{{
		Name: "run", Usage: "run `it`; $(touch bait)", Flags: []cli.Flag{
			&cli.StringFlag{Name: "log.level", Usage: "the level"}, &cli.StringFlag{Name: "data-dir"}, &cli.StringFlag{Name: "gwat.jwt-secret"},
			&cli.StringFlag{Name: "ca-file"}, &cli.StringFlag{Name: "output"}, &cli.StringFlag{Name: "pair"}, &cli.BoolFlag{Name: "observe"},
		},
	}}}
}

func TestValues(t *testing.T) {
	v := Values{"run.output": "text json", "run.": AnyFile}
	for flag, want := range map[string]string{
		"output": "text json", "": AnyFile, "log.level": "debug info warn error", "data-dir": AnyDirectory, "gwat.jwt-secret": AnyFile,
		"ca-file": AnyFile, "config": AnyFile, "pair": "", "unknown": "",
	} {
		require.Equal(t, want, v.of("run", flag), flag)
	}
}

func TestScripts(t *testing.T) {
	names, uses := Shells()
	require.Equal(t, []string{"bash", "zsh", "fish"}, names)
	require.Len(t, uses, 3)
	for _, shell := range names {
		script, err := Completion(app(), []string{shell}, Values{"run.output": "text json"})
		require.NoError(t, err)
		for _, part := range []string{"run", "log.level", "text json", "observe"} {
			require.Contains(t, script, part, shell)
		}
		require.NotContains(t, script, "$(touch", "a description is no code")
	}
	for text, named := range map[string][]string{
		"completion wants a shell: bash, zsh or fish":       nil,
		`completion of "tcsh": want one of bash, zsh, fish`: {"tcsh"},
		`completion of "bash zsh"`:                          {"bash", "zsh"},
	} {
		_, err := Completion(app(), named, nil)
		require.Equal(t, exit.Usage, exit.Of(err))
		require.ErrorContains(t, err, text)
	}
}

func TestManPage(t *testing.T) {
	page := ManPage(app(), "v1.2.3")
	require.Contains(t, page, "syncd v1.2.3")
	require.Contains(t, page, ".SS run\n")
	for _, s := range settings.All {
		require.Contains(t, page, escape(settings.EnvName(s.Key)), s.Key)
	}
	for _, e := range exit.Codes {
		require.Contains(t, page, escape(e.Meaning))
	}
}
