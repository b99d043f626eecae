package preflight

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
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
		"over authrpc":        {1337, []string{"dag_", "eth_"}, "era", []Level{OK, Warn, Warn, Warn}, "serves no admin_peers: heal.peers is not possible", exit.OK},
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

// Every advice fits the era and the transport: nobody is sent to a port or a flag that
// nodes of that era do not have.
func TestAdviceFitsTheEra(t *testing.T) {
	headSync, err := simnet.Start(t.Context(), simnet.Options{World: world.Config{GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, headSync.Close()) })
	todays := func(only ...string) func(*testing.T) (string, string) {
		return func(t *testing.T) (string, string) { return served(t, 1337, only) }
	}
	withoutDAG := func(t *testing.T) (string, string) {
		gwat, _ := served(t, 1337, []string{"eth_", "net_", "web3_"}) // what any gwat serves without dag
		return gwat, headSync.BeaconURL
	}
	ofHeadSync := []string{"--http.api", "--ws.api", "ws://", "WebSocket", "ready-interval"}
	for name, tc := range map[string]struct {
		pair  func(*testing.T) (gwat, beacon string)
		wants []string
		never []string
	}{
		"today's, all served":   {todays(""), nil, append(ofHeadSync, "prefer gwat's IPC socket", "--gwat.jwt-secret")},
		"today's, authrpc":      {todays("dag_", "eth_"), []string{"serves no wat_info", "serves no net_peerCount", "serves no admin_peers", "prefer gwat's IPC socket"}, ofHeadSync},
		"today's, a plain port": {todays("eth_", "net_", "web3_"), []string{"use gwat's IPC socket, or its authrpc with --gwat.jwt-secret"}, ofHeadSync},
		"today's gwat, no beacon node": {func(t *testing.T) (string, string) {
			gwat, _ := served(t, 1337, []string{"dag_", "eth_"})
			return gwat, "http://127.0.0.1:1"
		}, []string{"start the beacon node or correct --beacon.endpoint"}, ofHeadSync},
		"a plain port, no beacon node": {func(t *testing.T) (string, string) {
			gwat, _ := served(t, 1337, []string{"eth_", "net_", "web3_"})
			return gwat, "http://127.0.0.1:1"
		}, []string{"a gwat of the head-sync era with the dag API", "of one of today's network name the authrpc"}, nil},
		"head-sync, WebSocket":      {func(*testing.T) (string, string) { return headSync.GwatWS, headSync.BeaconURL }, nil, []string{"authrpc", "IPC socket", "wat_info"}},
		"head-sync, HTTP":           {func(*testing.T) (string, string) { return headSync.GwatURL, headSync.BeaconURL }, []string{"over HTTP a gwat of the head-sync era cuts"}, []string{"authrpc", "wat_info"}},
		"head-sync, dag not served": {withoutDAG, []string{"start gwat with the dag API on this endpoint (--http.api or --ws.api)"}, []string{"authrpc", "wat_info"}},
	} {
		t.Run(name, func(t *testing.T) {
			gwat, beacon := tc.pair(t)
			cfg := loaded(t, map[string]string{"gwat.endpoint": gwat, "beacon.endpoint": beacon, "ready-interval": "5s", "poll-interval": "1s"})
			var said []string
			for _, findings := range found(t, cfg) {
				for _, f := range findings {
					if f.Level != OK {
						said = append(said, f.Text+"; "+f.Remedy)
					}
				}
			}
			all := strings.Join(said, "\n")
			for _, want := range tc.wants {
				require.Contains(t, all, want)
			}
			for _, never := range tc.never {
				require.NotContains(t, all, never)
			}
		})
	}
}
