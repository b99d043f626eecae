package proof

import (
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// What judges the processes finds each thing that must not be.
func TestTheCallLogIsJudged(t *testing.T) {
	genesis := time.Unix(1_700_000_000, 0)
	chain, err := world.New(world.Config{Seed: 3, GenesisTime: uint64(genesis.Unix()), SecondsPerSlot: 1, SlotsPerEpoch: 8, MissRate: 0.05})
	require.NoError(t, err)
	begin := genesis.Add(60 * time.Second)
	head := chain.HeadAt(60)
	var infos []checkpoint.ConsensusInfo
	for slot := primitives.Slot(40); slot <= 60; slot++ {
		if b, ok := chain.Ancestor(head, slot); ok && (len(infos) > 0 || len(b.Finalization) > 0) {
			infos = append(infos, checkpoint.ConsensusInfo{Slot: slot, Creators: world.Creators(chain, slot), Finalizing: b.Finalization})
		}
	}
	call := func(method string, at, took time.Duration, answer, agent string, infos ...checkpoint.ConsensusInfo) gwatsim.Call {
		return gwatsim.Call{Method: method, Begin: begin.Add(at), End: begin.Add(at + took), Answer: answer, Peer: gwatsim.Peer{UserAgent: agent}, Infos: infos}
	}
	const s = time.Second
	ready := call(MethodReady, 0, s, "true", "", infos[0])
	push := call(MethodPush, 2*s, s, "true", "", infos[1:]...)
	without := func(i int) []checkpoint.ConsensusInfo {
		return append(append([]checkpoint.ConsensusInfo{}, infos[1:i]...), infos[i+1:]...)
	}
	wrongCreators := append([]checkpoint.ConsensusInfo{}, infos[1:]...)
	wrongCreators[3].Creators = nil
	for name, c := range map[string]struct {
		calls []gwatsim.Call
		want  string // "" if nothing is wrong
	}{
		"ready and push":            {[]gwatsim.Call{ready, push}, ""},
		"the lock is given back":    {[]gwatsim.Call{ready, call(MethodPush, 2*s, s, "true", "")}, ""},
		"no ready":                  {[]gwatsim.Call{push}, "S1"},
		"ready said false":          {[]gwatsim.Call{call(MethodReady, 0, s, "false", "", infos[0]), push}, "S1"},
		"a ready for two":           {[]gwatsim.Call{ready, push, call(MethodPush, 4*s, s, "", "", infos[1:]...)}, "S1"},
		"two at a time":             {[]gwatsim.Call{ready, call(MethodPush, s/2, s, "", "", infos[1:]...)}, "S1"},
		"a gap":                     {[]gwatsim.Call{ready, call(MethodPush, 2*s, s, "", "", without(5)...)}, "S2"},
		"begins too late":           {[]gwatsim.Call{ready, call(MethodPush, 2*s, s, "", "", infos[5:]...)}, "S2"},
		"other creators":            {[]gwatsim.Call{ready, call(MethodPush, 2*s, s, "", "", wrongCreators...)}, "S2"},
		"out of order":              {[]gwatsim.Call{ready, call(MethodPush, 2*s, s, "", "", append(append([]checkpoint.ConsensusInfo{}, infos[1:]...), infos[1])...)}, "S2"},
		"beside a competing driver": {[]gwatsim.Call{call(MethodReady, -s, s/2, "true", Competitor, infos[0]), ready}, "S6"},
		"after a competing driver":  {[]gwatsim.Call{call(MethodReady, -9*s, s/2, "true", Competitor, infos[0]), ready}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			found := Violations(c.calls, chain)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.NotEmpty(t, found)
			require.Contains(t, found[0], c.want+",")
		})
	}
}

func TestNeverIdle(t *testing.T) {
	begin := time.Unix(1_700_000_000, 0)
	at := func(s int, stage gwatsim.Stage) gwatsim.Call {
		return gwatsim.Call{End: begin.Add(time.Duration(s) * time.Second), After: gwatsim.Standing{Stage: stage}}
	}
	calls := []gwatsim.Call{at(1, gwatsim.StageNone), at(2, gwatsim.StageResync), at(3, gwatsim.StageHead), at(4, gwatsim.StageNone)}
	second := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	require.True(t, neverIdle(calls, second(2), second(4)))
	require.False(t, neverIdle(calls, second(1), second(4)))
	require.False(t, neverIdle(calls, second(2), second(5)))
	require.False(t, neverIdle(calls, second(3), second(4)), "one call shows no lasting state")
}
