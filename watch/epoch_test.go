package watch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/protocol"
)

// At the change of an epoch the head is near the clock and gwat one epoch behind the head,
// but two behind the clock: the stages come to rest.
func TestTheStagesRestAtTheChangeOfAnEpoch(t *testing.T) {
	o := &Observation{}
	o.Gwat.Mark = &protocol.Mark{Epoch: 10}
	o.Beacon.Head = beaconclient.Header{Slot: 95}
	f := facts(o, &standing{spec: &checkpoint.Spec{SlotsPerEpoch: 8, SecondsPerSlot: 2}, judged: true, now: 96})
	require.True(t, f.FellBehind)
	require.False(t, f.DAGSynced)
	stage := fsm.Switching
	event, _, ok := fsm.Decide(stage, f)
	require.True(t, ok)
	require.Equal(t, fsm.FellBehind, event)
	_, why, ok := fsm.Decide(fsm.DAGSync, f)
	require.False(t, ok, why)
}
