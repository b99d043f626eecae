package gwatsim

import (
	"context"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// dagAPI is the namespace dag.
type dagAPI struct{ n *Node }

func (a *dagAPI) HeadSyncReady(ctx context.Context, info *ConsensusInfo) (bool, error) {
	call := Call{Method: "dag_headSyncReady"}
	if info != nil {
		call.Infos = []checkpoint.ConsensusInfo{info.info()}
	}
	return serve(ctx, a.n, call, func() (bool, error) { return a.n.headSyncReady(info) })
}

func (a *dagAPI) HeadSync(ctx context.Context, list ConsensusInfos) (bool, error) {
	infos := list.infos()
	call := Call{Method: "dag_headSync", Infos: infos}
	return serve(ctx, a.n, call, func() (bool, error) { return a.n.headSync(infos) })
}

func (a *dagAPI) Sync(ctx context.Context, info ConsensusInfo) (syncResult, error) {
	call := Call{Method: "dag_sync", Infos: []checkpoint.ConsensusInfo{info.info()}}
	return serve(ctx, a.n, call, func() (syncResult, error) { return a.n.dagSync(info.info()) })
}

func (a *dagAPI) GetCandidates(ctx context.Context, slot uint64) (candidatesResult, error) {
	return answer(ctx, a.n, "dag_getCandidates", func() candidatesResult { return a.n.getCandidates(primitives.Slot(slot)) })
}

func (a *dagAPI) Finalize(ctx context.Context, spines HashArray) (finalizeResult, error) {
	call := Call{Method: "dag_finalize", Spines: spines}
	return serve(ctx, a.n, call, func() (finalizeResult, error) { return a.n.dagFinalize(spines) })
}

func (a *dagAPI) ValidateSpines(ctx context.Context, spines HashArray) (bool, error) {
	call := Call{Method: "dag_validateSpines", Spines: spines}
	return serve(ctx, a.n, call, func() (bool, error) { return a.n.validateSpines(spines), nil })
}

func (a *dagAPI) SyncSlotInfo(ctx context.Context, info slotInfo) (bool, error) {
	return answer(ctx, a.n, "dag_syncSlotInfo", func() bool { return a.n.sameSlots(info) })
}
