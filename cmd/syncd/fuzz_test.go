package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/commandline"
	"github.com/gwatsync/syncd/internal/daemon"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

// FuzzConfig loads and checks a YAML file, an environment and flags (lines, each)
// and a file with a JWT secret: what passes can be used, and what does not gets
// one bounded line and the exit code of a wrong configuration.
func FuzzConfig(f *testing.F) {
	for _, file := range []string{
		"", "gwat: {endpoint: \"ws://file:1\", lock: 90s}\npoll-interval: 2s\nobserve: true\napi:\n  allowed-hosts: [a, b]\nlog.level: warn\n",
		"gwat:\n  # endpoint: ws://a:1\nanchor:\npush:\n  capacity:\n", "gwat: 5\n", "[1, 2]\n", "a: &a [*a]\n", "? [1]\n: 2\n", "push.capacity: 1e999\n",
		"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
		"pair: .nan\n", "poll-interval: -9223372036854775809ns\n", "fallback-slots: 99999999999999999999\n", "\x00\xff", strings.Repeat("[", 5000),
		"pair: \"" + strings.Repeat("x", 5000) + "\"\n", "gwat: {endpoint: 'http://u:p@h:65536'}\nbeacon: {endpoint: 'http://[::1'}\n",
	} {
		f.Add([]byte(file), "", "", []byte(strings.Repeat("ab", 32)))
		f.Add([]byte(""), file, file, []byte(file))
	}
	f.Add([]byte{}, "SYNCD_GWAT_ENDPOINT=/run/gwat.ipc\nSYNCD_PAIR=\nSYNCD_OBSERVE=maybe", "--observe\n--push.capacity\n3", []byte("0x12"))
	f.Add([]byte{}, "SYNCD_API_LISTEN=:99999", "--api.allowed-origins=http://a/b\n--log.level=loud\nextra", []byte(nil))
	f.Fuzz(func(t *testing.T, file []byte, environ, flags string, secret []byte) {
		if strings.Contains(flags, "config") || strings.Contains(environ+flags+string(file), "jwt") || strings.Contains(environ, "JWT") || strings.Contains(environ, "CONFIG") {
			t.Skip("would read files of the machine")
		}
		dir := t.TempDir()
		path, jwt := filepath.Join(dir, "syncd.yaml"), filepath.Join(dir, "jwt.hex")
		require.NoError(t, os.WriteFile(path, file, 0o600))
		require.NoError(t, os.WriteFile(jwt, secret, 0o600))
		args := []string{"--config", path}
		if len(secret) > 0 {
			args = append(args, "--gwat.jwt-secret", jwt)
		}
		if flags != "" {
			args = append(args, strings.Split(flags, "\n")...)
		}
		cfg, err := loaded(t, strings.Split(environ, "\n"), args...)
		if err == nil && cfg == nil {
			return // the help was asked for
		}
		if err == nil {
			err = daemon.Check(cfg)
		}
		if err != nil {
			requireUsageLine(t, err)
			return
		}
		requireChecked(t, cfg)
	})
}

func requireUsageLine(t *testing.T, err error) {
	var stderr bytes.Buffer
	require.Equal(t, exit.Usage, commandline.Report(&stderr, err), "%v", err)
	line := strings.TrimSuffix(stderr.String(), "\n")
	require.LessOrEqual(t, utf8.RuneCountInString(line), 700)
	require.Greater(t, len(line), len("syncd: "))
	require.True(t, utf8.ValidString(line), "%q", line)
	require.Equal(t, -1, strings.IndexFunc(line, unicode.IsControl), "%q", line)
}

// requireChecked: both clients take their part, and the journal is in its directory.
func requireChecked(t *testing.T, cfg *settings.Config) {
	_ = cfg.Warnings()
	require.NoError(t, cfg.Check())
	require.Len(t, cfg.Shown(), len(settings.All))
	secret, err := cfg.GwatSecret()
	require.True(t, err != nil || len(secret) == 0 || len(secret) == 32)
	require.Equal(t, filepath.Clean(cfg.DataDir), filepath.Dir(cfg.JournalPath()), "the pair's name leads out of the directory")
	gwat, err := gwatclient.New(gwatclient.Config{Endpoint: cfg.Gwat.Endpoint, JWTSecret: secret, Timeout: cfg.CallTimeout})
	require.NoError(t, err)
	gwat.Close()
	beacon, err := beaconclient.New(beaconclient.Config{URL: cfg.Beacon.Endpoint, Timeout: cfg.CallTimeout})
	require.NoError(t, err)
	beacon.Close()
}

// loaded returns the settings that a command line, an environment and a file make.
func loaded(t *testing.T, env []string, args ...string) (*settings.Config, error) {
	t.Helper()
	var cfg *settings.Config
	std := testStdio(env, &buffer{}, &buffer{}, args...)
	cmd := &cli.Command{
		Name: "syncd", HideHelpCommand: true, Flags: commandline.SettingFlags(nil), Writer: std.stdout, ErrWriter: std.stderr, OnUsageError: commandline.UsageError,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Action: func(_ context.Context, cmd *cli.Command) (err error) {
			cfg, err = std.source(cmd).Load(false, nil)
			return err
		},
	}
	err := cmd.Run(t.Context(), std.args)
	return cfg, err
}
