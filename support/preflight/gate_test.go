package preflight

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGateOfTheBeaconNode(t *testing.T) {
	const on = "127.0.0.1:8550"
	for name, tc := range map[string]struct {
		listen, socket string
		status         int
		body           string
		level          Level
		says           string
	}{
		"not served":         {on, "", 404, `{}`, OK, "does not say which execution endpoint it uses: start the beacon node with --http-web3provider=http://127.0.0.1:8550"},
		"an answer of 500":   {on, "", 500, `{"code":2}`, OK, "does not say"},
		"no JSON":            {on, "", 200, `<html>`, OK, "does not say"},
		"the gate":           {on, "", 200, `{"currentAddress":"http://localhost:8550"}`, OK, "is the gate (http://localhost:8550"},
		"only in the list":   {on, "", 200, `{"addresses":["http://127.0.0.1:8550"]}`, OK, "is the gate"},
		"gwat":               {on, "", 200, `{"currentAddress":"http://user:secret@127.0.0.1:8545"}`, Warn, "8545, and not the gate at http://127.0.0.1:8550"},
		"the fallback":       {on, "", 200, `{"currentAddress":"http://127.0.0.1:8545","addresses":["http://127.0.0.1:8550","http://127.0.0.1:8545"]}`, Warn, "at present, and not the gate"},
		"another machine":    {on, "", 200, `{"currentAddress":"http://10.0.0.7:8550"}`, Warn, "and not the gate"},
		"from a container":   {"0.0.0.0:8550", "", 200, `{"currentAddress":"http://syncd:8550"}`, OK, "is the gate"},
		"the socket":         {"", "/run/syncd/gate.ipc", 200, `{"currentAddress":"/run/syncd/gate.ipc"}`, OK, "is the gate (/run/syncd/gate.ipc)"},
		"a socket of gwat's": {on, "/run/syncd/gate.ipc", 200, `{"currentAddress":"/run/gwat.ipc"}`, Warn, "http://127.0.0.1:8550 or /run/syncd/gate.ipc"},
	} {
		t.Run(name, func(t *testing.T) {
			beacon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != connectionsPath {
					http.NotFound(w, r)
					return
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			t.Cleanup(beacon.Close)
			cfg := loaded(t, map[string]string{"gwat.endpoint": "http://127.0.0.1:1", "beacon.endpoint": beacon.URL, "gate.listen": tc.listen, "gate.socket": tc.socket})
			cfg.Gate.Insecure = true
			got := found(t, cfg)["gate"]
			require.Len(t, got, 1)
			require.Equal(t, tc.level, got[0].Level, got[0].Text)
			require.Contains(t, got[0].Text, tc.says)
			require.NotContains(t, got[0].Text, "secret")
			if tc.level == Warn {
				require.Contains(t, got[0].Remedy, "--http-web3provider=http://127.0.0.1:8550")
			}
		})
	}
	cfg := loaded(t, map[string]string{"gwat.endpoint": "http://127.0.0.1:1", "beacon.endpoint": "http://127.0.0.1:1"})
	require.Empty(t, found(t, cfg)["gate"], "without a gate there is nothing to compare")
}
