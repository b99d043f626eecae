package pair

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/status"
)

// A node that was just started may lack one checkpoint's summary: the rest of the
// poll counts, and the pair works on.
func TestOneCheckpointsErrorIsNoLostPoll(t *testing.T) {
	inFakeTime(t, fakeConfig{}, func(f *fake) {
		f.reaches(fsm.Working)
		refused := 0
		f.bcnWire.Put(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/headers/0x") {
					refused++
					w.WriteHeader(http.StatusInternalServerError)
					_, _ = w.Write([]byte(`{"message":"Could not check if block is optimistic: nil summary returned from the DB","code":500}`))
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		for range 3 * 8 * 4 { // three epochs, so that checkpoints change
			time.Sleep(fakePoll)
			s := f.pair.Snapshot()
			require.Equal(t, string(fsm.Working), s.Stage)
			require.Empty(t, s.Findings)
		}
		require.Positive(t, refused)
	})
}

// Before genesis syncd names its time, reports no finding, and no ETA before it.
func TestGenesisAhead(t *testing.T) {
	inFakeTime(t, fakeConfig{world: func(c *world.Config) { c.GenesisTime = uint64(time.Now().Unix()) + 25 }}, func(f *fake) {
		genesis := f.world.Spec().SlotStart(0)
		f.reaches(fsm.Switching)
		for time.Now().Before(genesis.Add(-fakePoll)) {
			time.Sleep(fakePoll)
			s := f.pair.Snapshot()
			require.Empty(t, s.Findings)
			require.Contains(t, s.Waiting, "genesis at "+genesis.UTC().Format(time.RFC3339))
			require.NotNil(t, s.ETA)
			require.False(t, s.ETA.Before(genesis.Add(headSlots)), "%s", s.ETA)
		}
		for range 40 {
			time.Sleep(fakePoll)
			require.Empty(t, f.pair.Snapshot().Findings)
		}
		f.reaches(fsm.Working)
	})
}

// headSlots is what the switch takes at best after genesis.
const headSlots = publish.SwitchSlots * fakeSlot

// A beacon node whose own driver waits for a gwat that lacks its checkpoint does not move its
// head; without a gate nobody answers it. The head that stands is no reason to wait: what gwat lacks
// of it is pushed, and the driver goes on.
func TestABeaconWhoseDriverWaits(t *testing.T) {
	cfg := fakeConfig{
		beacon:  func(c *beaconsim.Config) { c.Driver = beaconsim.DriverReal },
		started: func(*fake) { time.Sleep(40 * fakeSlot) },
	}
	inFakeTime(t, cfg, func(f *fake) {
		head := f.beacon.State().Head.Slot
		require.Less(t, head+30, f.world.Spec().SlotAt(time.Now()), "the head stands")
		f.reaches(fsm.Working)
		require.Greater(t, f.beacon.State().Head.Slot, head+40)
	})
}

// With the setting, a pair without peers works without a finding.
func TestPeersOptional(t *testing.T) {
	inFakeTime(t, fakeConfig{pair: func(c *Config) { c.PeersOptional = true }}, func(f *fake) {
		f.reaches(fsm.Working)
		f.gwat.SetPeers(0)
		f.beacon.SetPeers(0)
		for range 60 {
			time.Sleep(fakePoll)
			s := f.pair.Snapshot()
			require.Empty(t, s.Findings)
			require.Equal(t, status.VerdictWorking, s.Verdict)
		}
	})
}
