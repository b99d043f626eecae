package commandline

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/operator"
	"github.com/gwatsync/syncd/settings"
)

// An action runs only with what it needs; what is wrong before it is an error of usage.
func TestActions(t *testing.T) {
	var environ []string
	source := func(cmd *cli.Command) Source {
		return Source{Command: cmd, Environ: environ, Places: Places{File: "/none", Socket: "-"}}
	}
	ran := ""
	run := func(action cli.ActionFunc, flags []cli.Flag, args ...string) error {
		ran = ""
		cmd := &cli.Command{Name: "x", Flags: flags, HideHelpCommand: true, Action: action, ExitErrHandler: func(context.Context, *cli.Command, error) {}}
		return cmd.Run(t.Context(), append([]string{"x"}, args...))
	}
	asked := Asked(source, func(_ context.Context, _ *cli.Command, c *apiclient.Client) error { ran = c.Address(); return nil })
	found := Found(source, true, func(_ context.Context, _ *cli.Command, w operator.Where) error { ran = w.Secret; return nil })
	checked := Checked(source, false, func(_ context.Context, _ *cli.Command, cfg *settings.Config) error { ran = cfg.Pair; return nil })

	require.NoError(t, run(asked, ClientFlags(), "--api", "http://a:1"))
	require.Equal(t, "http://a:1", ran)
	require.NoError(t, run(found, ClientFlags(SecretFlag()), "--jwt-secret", "s"))
	require.Equal(t, "s", ran)
	require.NoError(t, run(checked, SettingFlags(nil), "--pair", "b"))
	require.Equal(t, "b", ran)

	require.Equal(t, exit.Usage, exit.Of(run(asked, ClientFlags(), "--api", "here")))
	require.Equal(t, exit.Usage, exit.Of(run(checked, SettingFlags(nil), "--pair", "../b")))
	environ = []string{"SYNCD_PIAR=b"}
	for _, action := range []cli.ActionFunc{asked, found, checked} {
		require.ErrorContains(t, run(action, ClientFlags(SecretFlag()), "--api", "http://a:1"), `the nearest known one is "SYNCD_PAIR"`)
		require.Empty(t, ran)
	}
}
