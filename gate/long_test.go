package gate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A call that is longer than what is read of it at first meets a gwat that is away: the
// caller gets that as an error, and its connection stays.
func TestLongCallWhileGwatIsAway(t *testing.T) {
	for _, listener := range kinds {
		for _, backend := range []string{"http://127.0.0.1:1", "ws://127.0.0.1:1", t.TempDir() + "/gwat.ipc"} {
			t.Run(listener+" to "+backend[:2], func(t *testing.T) {
				g := startGate(t, backend, headSync)
				c := dialGate(t, g, listener)
				for range 3 {
					_, answer, err := c.call(`{"jsonrpc":"2.0","id":1,"method":"eth_a","params":["` + strings.Repeat("x", 1<<20) + `"]}`)
					require.NoError(t, err)
					require.Contains(t, answer, "gwat does not answer at")
				}
			})
		}
	}
}
