package preflight

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
)

// served serves a pair of the coordinated era; only limits the methods that gwat's
// endpoint serves, nil is all of them.
func served(t *testing.T, chainID uint64, only []string) (gwatURL, beaconURL string) {
	t.Helper()
	n := &coordinated.Network{ChainID: 1337, GenesisTime: uint64(time.Now().Unix()) - 200, SecondsPerSlot: 2, SlotsPerEpoch: 8}
	ofGwat := *n
	ofGwat.ChainID = chainID
	gwat := coordinated.NewGwat(&ofGwat, "enode://a")
	if only != nil {
		gwat.Serves = func(method string) bool {
			for _, prefix := range only {
				if strings.HasPrefix(method, prefix) {
					return true
				}
			}
			return false
		}
	}
	serve := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	gwatURL = serve(gwat)
	return gwatURL, serve(coordinated.NewBeacon(n, coordinated.Caller{URL: gwatURL}, 2))
}

func TestTheEraIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		chainID uint64
		only    []string
		check   string
		levels  []Level
		text    string
		code    int
	}{
		"over IPC":            {1337, nil, "era", []Level{OK}, "the beacon node drives gwat", exit.OK},
		"over authrpc":        {1337, []string{"dag_", "eth_"}, "era", []Level{OK, Warn, Warn}, "no wat_info", exit.OK},
		"on the plain port":   {1337, []string{"eth_", "net_", "web3_"}, "era", []Level{Fail}, "serves no dag_coordinatedState", exit.Unreachable},
		"of another network":  {5, nil, "network", []Level{Fail}, "chain id is 5", exit.Halted},
		"of the same network": {1337, nil, "network", []Level{OK}, "chain id 1337", exit.OK},
	} {
		t.Run(name, func(t *testing.T) {
			gwat, beacon := served(t, tc.chainID, tc.only)
			findings := found(t, loaded(t, map[string]string{"gwat.endpoint": gwat, "beacon.endpoint": beacon}))[tc.check]
			var levels []Level
			var texts []string
			for _, f := range findings {
				levels, texts = append(levels, f.Level), append(texts, f.Text)
			}
			require.Equal(t, tc.levels, levels, texts)
			require.Contains(t, strings.Join(texts, "; "), tc.text)
			require.Equal(t, tc.code, findings[0].Code)
		})
	}
}
