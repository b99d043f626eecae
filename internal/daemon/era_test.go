package daemon

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch"
)

// namedLoop is a loop that only has a name.
type namedLoop struct {
	Loop
	name  string
	ended chan struct{}
	err   error
}

func (l *namedLoop) Snapshot() *status.Snapshot {
	return &status.Snapshot{Pair: l.name, Findings: []status.Finding{{Name: "gwat_unreachable"}}}
}

func (l *namedLoop) Subscribe() (<-chan status.Change, func()) {
	changes := make(chan status.Change, 1)
	changes <- status.Change{Reason: l.name}
	if l.name == "first" {
		go func() { <-l.ended; close(changes) }()
	}
	return changes, func() {}
}

func (l *namedLoop) Run(ctx context.Context) error {
	defer close(l.ended)
	if l.err != nil {
		return l.err
	}
	<-ctx.Done()
	return nil
}

func TestEraOfThePair(t *testing.T) {
	down := errors.New("down")
	for name, tc := range map[string]struct {
		spec    checkpoint.Spec
		specErr error
		markErr error
		want    checkpoint.Era
	}{
		"beacon of the head-sync era":             {spec: checkpoint.Spec{CreatorsPerSlot: 4}, markErr: gwatclient.ErrMethod, want: checkpoint.EraHeadSync},
		"beacon of the coordinated era":           {markErr: down, want: checkpoint.EraCoordinated},
		"beacon away, gwat knows its state":       {specErr: beaconclient.ErrDown, want: checkpoint.EraCoordinated},
		"beacon away, gwat serves no such method": {specErr: beaconclient.ErrDown, markErr: gwatclient.ErrMethod},
		"both away": {specErr: beaconclient.ErrDown, markErr: gwatclient.ErrDown},
	} {
		t.Run(name, func(t *testing.T) {
			n := eraNode{
				spec: func(context.Context) (checkpoint.Spec, error) { return tc.spec, tc.specErr },
				mark: func(context.Context) (*protocol.Mark, error) {
					return nil, tc.markErr
				},
			}
			era, known := n.era(t.Context())
			require.Equal(t, tc.want, era)
			require.Equal(t, tc.want != "", known)
		})
	}
}

// The loop of the head-sync era runs until a node shows that the pair is of the other
// one; it has ended before the next begins.
func TestTheLoopFollowsTheEra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := test.NewNullLogger()
		first := &namedLoop{name: "first", ended: make(chan struct{})}
		second := &namedLoop{name: "second", ended: make(chan struct{})}
		begin, closed := time.Now(), false
		l := &loops{
			replaced: make(chan struct{}), ended: make(chan struct{}),
			nodes: eraNode{
				spec: func(context.Context) (checkpoint.Spec, error) {
					if time.Since(begin) < 10*time.Second {
						return checkpoint.Spec{}, beaconclient.ErrDown
					}
					return checkpoint.Spec{}, nil
				},
				mark: func(context.Context) (*protocol.Mark, error) {
					return nil, gwatclient.ErrDown
				},
			},
			other: func(_ prometheus.Registerer, told []status.Finding) (Loop, error) {
				require.Equal(t, first.Snapshot().Findings, told)
				<-first.ended
				return second, nil
			},
			interval: time.Second, timeout: time.Second, log: log, closeNodes: func() { closed = true },
		}
		l.now.Store(&running{Loop: first, metrics: prometheus.NewRegistry()})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		changes, leave := l.Subscribe()
		time.Sleep(9 * time.Second)
		require.Equal(t, "first", l.Snapshot().Pair)
		time.Sleep(2 * time.Second)
		require.Equal(t, "second", l.Snapshot().Pair)
		for _, want := range []string{"first", "second"} {
			require.Equal(t, want, (<-changes).Reason, "a subscriber gets the changes of both loops, in order")
		}
		leave()
		_, open := <-changes
		require.False(t, open)
		families, err := l.Gather()
		require.NoError(t, err)
		require.Empty(t, families)
		cancel()
		require.NoError(t, <-done)
		<-second.ended
		require.True(t, closed)
	})
}

// A loop that fails ends Run with its error, whether the era is known or not.
func TestAFailedLoopIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := errors.New("failed")
		l := &loops{
			replaced: make(chan struct{}), ended: make(chan struct{}),
			nodes: eraNode{
				spec: func(context.Context) (checkpoint.Spec, error) { return checkpoint.Spec{}, beaconclient.ErrDown },
				mark: func(context.Context) (*protocol.Mark, error) {
					return nil, gwatclient.ErrDown
				},
			},
			interval: time.Second, timeout: time.Second, closeNodes: func() {},
		}
		l.now.Store(&running{Loop: &namedLoop{ended: make(chan struct{}), err: failed}})
		require.ErrorIs(t, l.Run(t.Context()), failed)
	})
}

// The gate of a pair of the coordinated era goes by what its loop says; a checkpoint is on
// the chain if the beacon node has its block and says that it is canonical.
func TestTheGateOfACoordinatedPair(t *testing.T) {
	log, _ := test.NewNullLogger()
	between, err := gate.New(gate.Config{HTTP: "127.0.0.1:0", Backend: "http://127.0.0.1:1", Log: log})
	require.NoError(t, err)
	tell := view(between)
	spec := checkpoint.Spec{SecondsPerSlot: 2, SlotsPerEpoch: 8}
	for want, said := range map[gate.State]watch.View{
		gate.StateWorking: {Working: true, Spec: spec}, gate.StateSyncing: {Spec: spec}, gate.StateHandsOff: {Working: true, HandsOff: true, Spec: spec},
	} {
		tell(said)
		require.Equal(t, gate.View{Era: checkpoint.EraCoordinated, State: want, Spec: spec}, between.View())
	}
	view(nil)(watch.View{Working: true}) // without a gate it tells nobody
	require.Nil(t, nullAnswers(nil))
	require.Zero(t, nullAnswers(between)())

	node := coordinated.NewBeacon(&coordinated.Network{GenesisTime: uint64(time.Now().Unix()) - 100, SecondsPerSlot: 2, SlotsPerEpoch: 8}, coordinated.Caller{}, 3)
	served := httptest.NewServer(node)
	defer served.Close()
	client, err := beaconclient.New(beaconclient.Config{URL: served.URL, Timeout: time.Second})
	require.NoError(t, err)
	defer client.Close()
	l := &loops{beacon: client}
	genesis, err := client.Header(t.Context(), beaconclient.Genesis)
	require.NoError(t, err)
	known, err := l.canonical(t.Context(), genesis.Root)
	require.NoError(t, err)
	require.True(t, known)
	known, err = l.canonical(t.Context(), common.Hash{1})
	require.NoError(t, err)
	require.False(t, known)
	served.Close()
	_, err = l.canonical(t.Context(), common.Hash{1})
	require.Error(t, err)
}

// After a restart with a pause, and for an observer, the gate forwards everything from the first call on.
func TestTheFirstViewOfAGate(t *testing.T) {
	j := journal.OpenMemory()
	require.Equal(t, gate.StateSyncing, FirstView(false, j).State)
	require.Equal(t, gate.StateHandsOff, FirstView(true, j).State)
	require.NoError(t, j.SetPause(journal.Pause{Reason: "a test"}))
	require.Equal(t, gate.StateHandsOff, FirstView(false, j).State)
}
