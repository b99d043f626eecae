package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"
)

// loaded gives the configuration that a command line, an environment and a file make.
func loaded(t *testing.T, env []string, args ...string) (*Config, error) {
	t.Helper()
	var cfg *Config
	con := testConsole(env, &buffer{}, &buffer{}, args...)
	cmd := &cli.Command{
		Name: "syncd", HideHelpCommand: true, Flags: flagsOf(nil), Writer: con.stdout, ErrWriter: con.stderr, OnUsageError: usageError,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Action: func(_ context.Context, cmd *cli.Command) (err error) {
			cfg, err = load(cmd, con, nil)
			return err
		},
	}
	err := cmd.Run(t.Context(), con.args)
	return cfg, err
}

func TestDefaultsAreUsable(t *testing.T) {
	cfg, err := loaded(t, nil)
	require.NoError(t, err)
	require.NoError(t, cfg.Check())
	require.Equal(t, "127.0.0.1:8650", cfg.API.Listen)
	require.Equal(t, time.Second, cfg.PollInterval)
	require.Equal(t, 120*time.Second, cfg.Gwat.Lock)
}

func TestKeysWithoutAValueSetNothing(t *testing.T) {
	cfg, err := loaded(t, nil, "--config", writeFile(t, "syncd.yaml", "gwat:\n  # endpoint: ws://a:1\nanchor:\npush:\n  capacity:\n"))
	require.NoError(t, err)
	defaults, err := loaded(t, nil)
	require.NoError(t, err)
	require.Equal(t, defaults, cfg)
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, "syncd.yaml", `
gwat: {endpoint: "ws://file:1", lock: 90s}
poll-interval: 2s
observe: true
api:
  allowed-hosts: [a, b]
log.level: warn
`)
	env := []string{
		"SYNCD_GWAT_ENDPOINT=ws://env:1", "SYNCD_POLL_INTERVAL=3s", "SYNCD_API_ALLOWED_ORIGINS=http://a, http://b",
		"SYNCD_CONFIG=" + file, "SYNCD_PAIR=", "SYNCD_SERVICE_HOST=10.0.0.1", "OTHER=1",
	}
	cfg, err := loaded(t, env, "--poll-interval", "4s", "--observe=false")
	require.NoError(t, err)
	require.Equal(t, 4*time.Second, cfg.PollInterval, "flag over environment")
	require.False(t, cfg.Observe, "flag over file")
	require.Equal(t, "ws://env:1", cfg.Gwat.Endpoint, "environment over file")
	require.Equal(t, 90*time.Second, cfg.Gwat.Lock, "file over default")
	require.Equal(t, "warn", cfg.Log.Level, "a key with dots is a path")
	require.Equal(t, []string{"a", "b"}, cfg.API.AllowedHosts)
	require.Equal(t, []string{"http://a", "http://b"}, cfg.API.AllowedOrigins)
	require.Equal(t, "main", cfg.Pair, "set to nothing is not set")

	other := writeFile(t, "other.yaml", "pair: 7\n")
	cfg, err = loaded(t, env, "--config", other)
	require.NoError(t, err)
	require.Equal(t, "7", cfg.Pair)
	require.False(t, cfg.Observe, "the flag's file replaces the environment's")
}

func TestEveryFlagCanBeSetEverywhere(t *testing.T) {
	sample := map[kind]string{text: "info", number: "42", duration: "42s", toggle: "true", list: "a,b"}
	for _, s := range settings {
		want, err := s.parse(sample[s.kind])
		require.NoError(t, err)
		for name, load := range map[string]func() (*Config, error){
			"flag": func() (*Config, error) { return loaded(t, nil, "--"+s.key+"="+sample[s.kind]) },
			"env":  func() (*Config, error) { return loaded(t, []string{envName(s.key) + "=" + sample[s.kind]}) },
			"file": func() (*Config, error) {
				return loaded(t, nil, "--config", writeFile(t, "c.yaml", s.key+": "+sample[s.kind]+"\n"))
			},
		} {
			cfg, err := load()
			require.NoError(t, err, "%s by %s", s.key, name)
			require.Equal(t, want, valueOf(cfg, s.key), "%s by %s", s.key, name)
		}
	}
}

func valueOf(c *Config, key string) any {
	return map[string]any{
		"gwat.endpoint": c.Gwat.Endpoint, "gwat.jwt-secret": c.Gwat.JWTSecret, "gwat.lock": c.Gwat.Lock,
		"beacon.endpoint": c.Beacon.Endpoint, "data-dir": c.DataDir, "pair": c.Pair, "observe": c.Observe,
		"poll-interval": c.PollInterval, "ready-interval": c.ReadyInterval, "call-timeout": c.CallTimeout,
		"push-timeout": c.PushTimeout, "push.segment-bytes": c.Push.SegmentBytes, "push.segment-time": c.Push.SegmentTime,
		"push.capacity": c.Push.Capacity, "anchor": c.Anchor, "fallback-slots": c.FallbackSlots, "api.listen": c.API.Listen, "api.allowed-hosts": c.API.AllowedHosts,
		"api.allowed-origins": c.API.AllowedOrigins, "api.jwt-secret": c.API.JWTSecret, "api.socket": c.API.Socket,
		"api.tls-cert": c.API.TLSCert, "api.tls-key": c.API.TLSKey, "api.insecure": c.API.Insecure, "log.level": c.Log.Level, "log.format": c.Log.Format,
	}[key]
}

func TestWarnings(t *testing.T) {
	for args, want := range map[string]string{
		"--gwat.endpoint=http://a:1":                  "over HTTP gwat cuts an answer off after 30s, --push-timeout is 1m50s",
		"--gwat.endpoint=ws://a:1":                    "",
		"--gwat.endpoint=/run/gwat.ipc":               "",
		"--gwat.endpoint=ws://a:1 --call-timeout=15s": "--call-timeout is 15s",
	} {
		cfg, err := loaded(t, nil, splitArgs(args)...)
		require.NoError(t, err)
		require.NoError(t, cfg.Check())
		if want == "" {
			require.Empty(t, cfg.warnings())
			continue
		}
		require.Len(t, cfg.warnings(), 1)
		require.Contains(t, cfg.warnings()[0], want)
	}
	cfg, err := loaded(t, nil, "--gwat.endpoint=/run/gwat.ipc", "--gwat.jwt-secret=/some/file")
	require.NoError(t, err)
	require.Contains(t, cfg.warnings()[0], "not used over IPC")
}
