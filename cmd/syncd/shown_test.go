package main

import (
	"testing"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/api"
)

func TestShownTellsWhereEachValueIsFrom(t *testing.T) {
	cfg, err := loaded(t, []string{"SYNCD_PAIR=east", "SYNCD_OBSERVE=true"},
		"--config", writeFile(t, "c.yaml", "push:\n  capacity: 5\npair: west\n"), "--api.allowed-hosts", "a,b", "--gwat.lock", "3m")
	require.NoError(t, err)
	shown := map[string]api.Setting{}
	for i, s := range cfg.shown() {
		require.Equal(t, settings[i].key, s.Key)
		require.NotNil(t, s.Value, s.Key)
		shown[s.Key] = s
	}
	require.Len(t, shown, len(settings))
	for key, want := range map[string]api.Setting{
		"pair":              {Value: "east", Source: "environment"},
		"observe":           {Value: true, Source: "environment"},
		"push.capacity":     {Value: 5, Source: "file"},
		"api.allowed-hosts": {Value: []string{"a", "b"}, Source: "flag"},
		"gwat.lock":         {Value: "3m", Source: "flag"},
		"data-dir":          {Value: "syncd-data", Source: "default"},
	} {
		want.Key = key
		require.Equal(t, want, shown[key])
	}
}

// The settings are told by a running syncd; the secret in the file is not.
func TestConfigOverTheAPI(t *testing.T) {
	digits := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	file := writeFile(t, "jwt.hex", digits)
	url, stderr, _ := startRun(t, "http://me:hunter2@127.0.0.1:1", "http://me:hunter2@127.0.0.1:1", "--gwat.jwt-secret", file, "--api.jwt-secret", file)
	c, err := rpc.DialContext(t.Context(), url)
	require.NoError(t, err)
	defer c.Close()
	var got []api.Setting
	require.NoError(t, c.CallContext(t.Context(), &got, "syncd_config"))
	values := map[string]any{}
	for _, s := range got {
		values[s.Key] = s.Value
	}
	require.Equal(t, "http://***@127.0.0.1:1", values["gwat.endpoint"])
	require.Equal(t, file, values["gwat.jwt-secret"])
	require.Equal(t, file, values["api.jwt-secret"])
	require.Equal(t, []any{}, values["api.allowed-hosts"])
	require.NotContains(t, stderr.String(), "hunter2")
	require.NotContains(t, stderr.String(), digits)
}
