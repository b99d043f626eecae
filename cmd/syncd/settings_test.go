package main

import (
	"testing"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/api"
)

// A running syncd answers with its settings, and not with the secret in a file.
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
