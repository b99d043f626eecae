package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/endpoint"
)

// A gate whose gwat is the gate itself would forward each call to itself, over and over.
func TestAGateThatIsItsOwnGwatIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "link")))
	for _, c := range []struct{ gwat, listen, socket, both string }{
		{"ws://127.0.0.1:8645", "127.0.0.1:8645", "", "gate.listen"},
		{"HTTP://localhost:8645/", "127.0.0.1:8645", "", "gate.listen"},
		{"http://127.0.0.1:8645", "LOCALHOST:8645", "", "gate.listen"},
		{"http://[::1]:8645", "[0:0:0:0:0:0:0:1]:8645", "", "gate.listen"},
		{"http://[::ffff:127.0.0.1]:8645", "127.0.0.1:8645", "", "gate.listen"},
		{"http://127.0.0.1:8645", ":8645", "", "gate.listen"},
		{"http://[::1]:8645", "0.0.0.0:8645", "", "gate.listen"},
		{"http://0.0.0.0:8645", "127.0.0.1:8645", "", "gate.listen"},
		{"http://gwat.example:8645", "gwat.example:8645", "", "gate.listen"},
		{"http://127.0.0.1", "127.0.0.1:80", "", "gate.listen"},
		{"wss://127.0.0.1", "127.0.0.1:443", "", "gate.listen"},
		{dir + "/gwat.ipc", "", dir + "/gwat.ipc", "gate.socket"},
		{dir + "/link/gwat.ipc", "", dir + "/./gwat.ipc", "gate.socket"},
		{"ws://127.0.0.1:8546", "127.0.0.1:8645", "", ""},
		{"ws://127.0.0.2:8645", "127.0.0.1:8645", "", ""},
		{"ws://gwat:8645", "0.0.0.0:8645", "", ""},
		{"ws://10.0.0.1:8645", "127.0.0.1:8645", "", ""},
		{dir + "/gwat.ipc", "127.0.0.1:8645", dir + "/gate.ipc", ""},
	} {
		cfg, err := Load(Input{Flags: map[string]string{
			"gwat.endpoint": c.gwat, "gate.listen": c.listen, "gate.socket": c.socket, "gate.insecure": "true", "data-dir": dir,
		}})
		require.NoError(t, err)
		err = cfg.Check()
		if c.both == "" {
			require.NoError(t, err, c.gwat)
			continue
		}
		require.ErrorContains(t, err, "--gwat.endpoint is "+endpoint.Mask(c.gwat)+", which --"+c.both+" names too", c.gwat)
	}
}
