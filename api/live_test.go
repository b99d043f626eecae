package api

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
	"github.com/gwatsync/syncd/status"
)

// simulated is a real pair loop beside simulated nodes, which sync at a speed (in
// blocks and slots a second) and are looked at once an interval.
func simulated(t *testing.T, registry prometheus.Registerer, speed float64, poll time.Duration) *pair.Pair {
	t.Helper()
	nodes, err := simnet.Start(t.Context(), simnet.Options{
		World:  world.Config{Seed: 3, GenesisTime: uint64(time.Now().Unix()) - 66, SecondsPerSlot: 1, SlotsPerEpoch: 8, MissRate: 0.05},
		Gwat:   gwatsim.Config{SyncSpeed: speed, DAGSpeed: 20, Peers: 2},
		Beacon: beaconsim.Config{SyncSpeed: speed, Peers: 2, Driver: beaconsim.DriverOff},
	})
	require.NoError(t, err)
	memory := journal.OpenMemory()
	p, err := pair.New(pair.Config{
		Name: "live", Version: "test", Journal: memory, Log: quietLog(), Registerer: registry,
		Gwat: gwatclient.Config{Endpoint: nodes.GwatWS}, Beacon: beaconclient.Config{URL: nodes.BeaconURL},
		Times: pair.Times{PollInterval: poll, ReadyInterval: 100 * time.Millisecond},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, nodes.Close())
	})
	return p
}

// Whatever a real pair answers and tells, from its first stage to its last and
// through the operator's orders, is as the document says.
func TestLiveAnswersAreAsTheDocumentSays(t *testing.T) {
	doc := theDocument(t)
	p := simulated(t, nil, 100, 100*time.Millisecond)
	settings := []Setting{{Key: "pair", Value: "live", Source: "flag"}, {Key: "observe", Value: false}, {Key: "push.capacity", Value: 3, Source: "default"}, {Key: "api.allowed-hosts", Value: []string{}, Source: "file"}}
	url := "ws://" + start(t, p, func(c *Config) { c.Settings = settings })
	c, err := rpc.DialOptions(t.Context(), url, withToken(t))
	require.NoError(t, err)
	defer c.Close()

	told := map[string]chan json.RawMessage{}
	for name := range doc.Subscriptions {
		told[name] = make(chan json.RawMessage, 1024)
		_, err := c.Subscribe(t.Context(), "syncd", told[name], name)
		require.NoError(t, err)
	}
	called := map[string]bool{"syncd_subscribe": true, "syncd_unsubscribe": true}
	call := func(method string, args ...any) {
		called[method] = true
		var raw json.RawMessage
		require.NoError(t, c.CallContext(t.Context(), &raw, method, args...), method)
		for _, m := range doc.Methods {
			if m.Name == method {
				require.NoError(t, doc.validate(m.Result.Schema, decoded(t, raw), method), string(raw))
				return
			}
		}
		require.Fail(t, "not in the document", method)
	}
	toWorking := func(when string) {
		for {
			select {
			case raw := <-told["progress"]:
				require.NoError(t, doc.validate(doc.Subscriptions["progress"].Result, decoded(t, raw), "progress"), string(raw))
				for _, method := range []string{"syncd_status", "syncd_findings", "syncd_progress", "syncd_history"} {
					call(method)
				}
			case raw := <-told["findings"]:
				require.NoError(t, doc.validate(doc.Subscriptions["findings"].Result, decoded(t, raw), "findings"), string(raw))
			case raw := <-told["stage"]:
				require.NoError(t, doc.validate(doc.Subscriptions["stage"].Result, decoded(t, raw), "stage"), string(raw))
				var change status.Change
				require.NoError(t, json.Unmarshal(raw, &change))
				if change.To == string(fsm.Working) {
					return
				}
			case <-time.After(60 * time.Second):
				require.Fail(t, "the pair does not work", when)
			}
		}
	}
	toWorking("at first")
	call("syncd_pause", "a look at the disk")
	call("syncd_status")
	call("syncd_resume")
	toWorking("after the pause")
	call("syncd_resync", ResyncOrder{Reason: "test", Full: true, Force: true})
	toWorking("after the resync")
	call("syncd_heal", HealOrder{Name: "peers", DryRun: true})
	for _, method := range []string{"syncd_config", "syncd_calls", "rpc_modules", "rpc.discover"} {
		call(method)
	}
	for _, m := range doc.Methods {
		require.True(t, called[m.Name], "%s was not called", m.Name)
	}
}
