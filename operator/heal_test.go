package operator

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/status"
)

func TestHealName(t *testing.T) {
	for _, name := range Heals() {
		got, err := HealName([]string{name})
		require.NoError(t, err)
		require.Equal(t, name, got)
	}
	for want, args := range map[string][]string{
		"got 2":                    {"peers", "drive"},
		`"peer"`:                   {"peer"},
		"peers, checkpoint, drive": {"all"},
	} {
		_, err := HealName(args)
		require.Equal(t, exit.Usage, exit.Of(err))
		require.ErrorContains(t, err, want)
	}
}

func TestWriteHeal(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeHeal(&out, &status.Heal{
		Name: "peers", Proved: true, Why: "gwat has 0 peers", Tries: 1, Begun: true,
		Calls: []status.HealCall{{Method: "admin_addPeer", Params: []any{"enode://a"}}, {Method: "dag_finalize", Params: []any{map[string]any{"syncMode": "0x0"}}}},
	}))
	require.Equal(t, `proved  yes: gwat has 0 peers
on      no, tried 1 time since the pair worked
call    admin_addPeer ["enode://a"]
call    dag_finalize [{"syncMode":"0x0"}]
begun   how it ends is in the log, and in the history with the event heal
`, out.String())
	out.Reset()
	require.NoError(t, writeHeal(&out, &status.Heal{On: true, Why: "gwat has 2 peers", Refused: "not proved"}))
	require.Equal(t, "proved  no: gwat has 2 peers\non      yes, tried 0 times since the pair worked\nrefused not proved\n", out.String())
}
