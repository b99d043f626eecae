package pair

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/journal"
)

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no journal":            func(c *Config) { c.Journal = nil },
		"no logger":             func(c *Config) { c.Log = nil },
		"fallback slots are -1": func(c *Config) { c.FallbackSlots = -1 },
		"poll interval is -1s":  func(c *Config) { c.PollInterval = -time.Second },
		"gwat endpoint":         func(c *Config) { c.Gwat.Endpoint = "ftp://x" },
		"beacon endpoint":       func(c *Config) { c.Beacon.URL = "::" },
	} {
		cfg := Config{
			Name: "test", Journal: journal.OpenMemory(), Log: quietLog(),
			Gwat: gwatclient.Config{Endpoint: "http://127.0.0.1:1"}, Beacon: beaconConfig("http://127.0.0.1:2"),
		}
		change(&cfg)
		_, err := New(cfg)
		require.ErrorContains(t, err, name)
	}
}

// What is not set takes its default; what is set stays.
func TestConfigTakesDefaults(t *testing.T) {
	cfg := Config{Journal: journal.OpenMemory(), Log: quietLog()}
	require.NoError(t, cfg.complete())
	require.Equal(t, Times{
		PollInterval: time.Second, ReadyInterval: time.Second, CallTimeout: 5 * time.Second, PushTimeout: 110 * time.Second,
		LockTime: 2 * time.Minute, FallbackSlots: 33,
	}, cfg.Times)
	require.WithinDuration(t, time.Now(), cfg.Now(), time.Minute)
	require.Equal(t, 5*time.Second, cfg.Gwat.Timeout)
	given := Times{PollInterval: 1, ReadyInterval: 2, CallTimeout: 3, PushTimeout: 4, LockTime: 5, FallbackSlots: 6}
	cfg.Times = given
	cfg.Now = func() time.Time { return time.Unix(1000, 0) }
	require.NoError(t, cfg.complete())
	require.Equal(t, given, cfg.Times)
	require.Equal(t, time.Unix(1000, 0), cfg.Now())
	require.EqualValues(t, 3, cfg.Beacon.Timeout)
}
