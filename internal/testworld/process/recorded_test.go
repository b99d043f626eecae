// Package test holds what needs more than one package: the recorded chain, the
// daemon beside simulated nodes as processes, and the documents.
package test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/protocol"
)

// recordedChain serves the recorded chain as it stands at its head, with epoch
// 3 (slot 96) as the last checkpoint.
func recordedChain(t *testing.T) (*world.Recorded, *beaconclient.Client) {
	t.Helper()
	chain, err := world.LoadRecorded(nil, world.RecordedOptions{
		GenesisTime: uint64(time.Now().Unix()) - 246*4, Justified: 3,
	})
	require.NoError(t, err)
	node, err := beaconsim.New(beaconsim.Config{Chain: chain, Peers: 1})
	require.NoError(t, err)
	server := httptest.NewServer(node.Handler())
	t.Cleanup(server.Close)
	client, err := beaconclient.New(beaconclient.Config{URL: server.URL})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return chain, client
}

// The creators of every slot, and what every body finalizes, as the real beacon
// node sent them to its gwat.
func TestRecordedChainIsCollectedAsTheBeaconSentIt(t *testing.T) {
	chain, client := recordedChain(t)
	ctx := context.Background()
	truth, err := world.RecordedTruth()
	require.NoError(t, err)
	require.Len(t, truth.Sent, 247)
	spec, err := client.Spec(ctx)
	require.NoError(t, err)

	head, err := client.Header(ctx, beaconclient.Head)
	require.NoError(t, err)
	require.Equal(t, primitives.Slot(246), head.Slot)
	entries, err := headsync.NewCollector(client, spec).Collect(ctx, head, 0, nil)
	require.NoError(t, err)
	require.NoError(t, headsync.CheckLinked(entries))
	require.Len(t, entries, 246, "slot 1 is empty")

	creators := map[primitives.Slot][]common.Address{}
	bodies, sent := 0, 0
	for _, e := range entries {
		creators[e.Slot()] = e.Info.Creators
		body, ok := chain.Block(e.Root)
		require.True(t, ok)
		require.Equal(t, len(body.Finalization), len(e.Info.Finalizing), "slot %d", e.Slot())
		for i, spine := range body.Finalization {
			require.Equal(t, spine, e.Info.Finalizing[i], "slot %d", e.Slot())
		}
		bodies++
		if e.Slot() >= 2 {
			require.Equal(t, truth.Sent[e.Slot()].Finalizing, e.Info.Finalizing, "slot %d", e.Slot())
			sent++
		}
	}
	// Slot 1 has no block, so no entry either; its creators follow from the same answers.
	committees, err := client.Committees(ctx, beaconclient.StateHead, 0)
	require.NoError(t, err)
	creators[1] = creatorsOf(t, client, committees, 1, spec.CreatorsPerSlot)

	equal := 0
	for slot, info := range truth.Sent {
		require.Equal(t, info.Creators, creators[primitives.Slot(slot)], "slot %d", slot)
		equal++
	}
	require.Equal(t, 247, equal)
	require.Equal(t, 245, sent)
	t.Logf("creators %d of 247, finalizing %d of %d bodies, %d of 245 slots as sent", equal, bodies, len(entries), sent)
}

func creatorsOf(t *testing.T, client *beaconclient.Client, committees []beaconclient.Committee, slot primitives.Slot, perSlot uint64) []common.Address {
	t.Helper()
	var of []beaconclient.Committee
	for _, c := range committees {
		if c.Slot == slot {
			of = append(of, c)
		}
	}
	indices := headsync.CreatorIndices(of, perSlot)
	credentials, err := client.WithdrawalCredentials(context.Background(), beaconclient.StateHead, indices)
	require.NoError(t, err)
	var out []common.Address
	for _, i := range indices {
		out = append(out, headsync.CreatorAddress(credentials[i]))
	}
	return headsync.SortCreators(out)
}

// A simulated gwat that has the recorded DAG and stands at slot 96's checkpoint
// is taken to the head; it then has the numbers of the recorded gwat. The bodies
// end one spine before its last block, 242.
func TestRecordedChainIsPushed(t *testing.T) {
	chain, client := recordedChain(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	truth, err := world.RecordedTruth()
	require.NoError(t, err)
	node, err := gwatsim.New(gwatsim.Config{Chain: chain, Peers: 1})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	server := httptest.NewServer(node.Handler())
	defer func() { server.Close(); cancel(); <-done }()
	gwat, err := gwatclient.New(gwatclient.Config{Endpoint: server.URL})
	require.NoError(t, err)
	defer gwat.Close()

	before, err := gwat.Latest(ctx)
	require.NoError(t, err)
	require.Equal(t, uint64(91), *before.Number, "the body of slot 96 finalizes block 91")
	spec, err := client.Spec(ctx)
	require.NoError(t, err)
	var pushed []headsync.Entry
	attempt := &headsync.Attempt{
		Number: 1, Spec: spec, Now: time.Now,
		Nodes: headsync.Nodes{
			Beacon: client, Collector: headsync.NewCollector(client, spec), Gwat: protocol.HeadSync{Client: gwat},
			Driver: protocol.HeadSync{Client: gwat}.Driver(guard.New(false).Permit()), Ledger: noLedger{},
		},
		Orders: headsync.Orders{Inhibit: func() string { return "" }},
		Report: func(r headsync.Report) {
			if r.Accepted {
				pushed = r.Push
			}
		},
	}
	result, err := attempt.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, primitives.Slot(97), pushed[0].Slot(), "what follows slot 96's checkpoint")
	require.Equal(t, primitives.Slot(246), pushed[len(pushed)-1].Slot())
	require.Equal(t, uint64(241), result.Confirmed.Number)

	order := node.FinalizedOrder()
	require.Len(t, order, 242)
	for number, hash := range order {
		require.Equal(t, truth.Numbers[hash], uint64(number), "block %s", hash)
	}
	calls := map[string]int{}
	for _, c := range node.Calls() {
		calls[c.Method]++
	}
	require.Equal(t, 1, calls["dag_headSyncReady"])
	require.Equal(t, 1, calls["dag_headSync"])
	t.Logf("pushed %d entries, slots 97 to 246; numbers 0 to 241 as recorded", len(pushed))
}

// noLedger forgets: one attempt needs no memory.
type noLedger struct{}

func (noLedger) SetPending(checkpoint.Pending)     {}
func (noLedger) ClearPending()                     {}
func (noLedger) SetConfirmed(checkpoint.Confirmed) {}
