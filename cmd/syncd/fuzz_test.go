package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/gwatclient"
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
			err = cfg.Check()
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
	require.Equal(t, exitUsage, report(&stderr, err), "%v", err)
	line := strings.TrimSuffix(stderr.String(), "\n")
	require.LessOrEqual(t, utf8.RuneCountInString(line), 700)
	require.Greater(t, len(line), len("syncd: "))
	require.True(t, utf8.ValidString(line), "%q", line)
	require.Equal(t, -1, strings.IndexFunc(line, unicode.IsControl), "%q", line)
}

// requireChecked: the bounds hold, and both clients take their part.
func requireChecked(t *testing.T, cfg *Config) {
	_ = cfg.warnings()
	require.True(t, cfg.PollInterval >= minInterval && cfg.PollInterval <= maxPoll)
	require.True(t, cfg.PushTimeout >= minTimeout && cfg.PushTimeout < cfg.Gwat.Lock && cfg.ReadyInterval < cfg.Gwat.Lock)
	require.True(t, cfg.Push.SegmentBytes >= minSegment && cfg.Push.SegmentBytes <= maxSegment)
	require.True(t, cfg.Push.Capacity >= minCapacity && cfg.Push.Capacity <= maxCapacity)
	require.True(t, cfg.FallbackSlots >= minFallback && cfg.FallbackSlots <= maxFallback)
	require.True(t, len(cfg.jwt) == 0 || len(cfg.jwt) == 32)
	require.Equal(t, filepath.Clean(cfg.DataDir), filepath.Dir(journalPath(cfg)), "the pair's name leads out of the directory")
	gwat, err := gwatclient.New(gwatclient.Config{Endpoint: cfg.Gwat.Endpoint, JWTSecret: cfg.jwt, Timeout: cfg.CallTimeout})
	require.NoError(t, err)
	gwat.Close()
	beacon, err := beaconclient.New(beaconclient.Config{URL: cfg.Beacon.Endpoint, Timeout: cfg.CallTimeout})
	require.NoError(t, err)
	beacon.Close()
}
