package pair

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/status"
)

// away is a node that nobody reaches.
type away struct{}

func (away) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

// A syncd that starts while both nodes are down shows the network, its clock and era, and how
// far each node is behind, all by what the process before it knew. Without that it shows none.
func TestARestartKnowsTheNetwork(t *testing.T) {
	for _, before := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			spec := checkpoint.Spec{
				SlotsPerEpoch: 8, SecondsPerSlot: 4, CreatorsPerSlot: 4, DepositChainID: 7, ConfigName: "net",
				GenesisTime: uint64(time.Now().Unix()) - 400,
			}
			seen := time.Now().Add(-40 * time.Second).UTC()
			j, past := journal.OpenMemory(), &memory.Memory{}
			gwatSlot, beaconSlot := primitives.Slot(88), primitives.Slot(90)
			if before {
				require.NoError(t, j.SetNetwork(journal.NetworkOf(spec)))
				past.Add(&status.Snapshot{
					At: seen, Stage: "working", Verdict: status.VerdictWorking, Network: status.NewNetwork(spec, seen),
					Gwat: status.Node{Slot: &gwatSlot}, Beacon: status.Node{Slot: &beaconSlot},
				})
			}
			log := logrus.New()
			log.SetOutput(io.Discard)
			p, err := New(Config{
				Name: "main", Version: "test", Journal: j, Past: past, Log: log,
				Gwat:   gwatclient.Config{Endpoint: "http://localhost/gwat", Transport: away{}},
				Beacon: beaconclient.Config{URL: "http://localhost", Transport: away{}},
			})
			require.NoError(t, err)
			stop := runNode(p.Run)
			defer stop()
			time.Sleep(20 * time.Second)
			s := p.Snapshot()
			if !before {
				require.Nil(t, s.Network)
				require.Empty(t, s.Era)
				require.Nil(t, s.Gwat.LagSlots)
				require.Nil(t, s.Beacon.LastKnown)
				return
			}
			require.Equal(t, "net", s.Network.Name)
			require.Equal(t, spec.SlotAt(s.At), s.Network.CurrentSlot)
			require.Equal(t, string(checkpoint.EraHeadSync), s.Era)
			require.False(t, s.Gwat.Reachable)
			require.Nil(t, s.Gwat.Slot)
			require.Equal(t, &status.LastKnown{At: seen, Slot: &gwatSlot}, s.Gwat.LastKnown)
			require.EqualValues(t, s.Network.CurrentSlot-gwatSlot, *s.Gwat.LagSlots)
			require.Equal(t, &status.LastKnown{At: seen, Slot: &beaconSlot}, s.Beacon.LastKnown)
			require.EqualValues(t, s.Network.CurrentSlot-beaconSlot, *s.Beacon.LagSlots)
		})
	}
}
