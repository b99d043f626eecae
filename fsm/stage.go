package fsm

// Stage is how far a pair is on its way to normal work.
type Stage string

// The stages, in the order in which a pair goes through them; Paused and
// Halted are outside that order.
const (
	// Connecting: not both nodes answer, or it is not known yet whether they
	// belong to one network.
	Connecting Stage = "connecting"
	// CheckpointSync: each node syncs, on its own, to the last checkpoint.
	CheckpointSync Stage = "checkpoint_sync"
	// DAGSync: each node loads what follows the checkpoint.
	DAGSync Stage = "dag_sync"
	// HeadSyncReady: gwat is asked once a second whether it is ready.
	HeadSyncReady Stage = "head_sync_ready"
	// HeadSync: gwat said ready; ConsensusInfo is pushed and confirmed.
	HeadSync Stage = "head_sync"
	// Switching: all was pushed; both nodes are watched until normal work is seen.
	Switching Stage = "switching"
	// Working: both nodes were verified to do their normal work.
	Working Stage = "working"
	// Paused: an operator has paused syncd: it sends nothing that changes a node.
	Paused Stage = "paused"
	// Halted: a human is needed; it leaves by itself when its cause is gone.
	Halted Stage = "halted"
)

// Stages lists every stage in the order above.
func Stages() []Stage {
	return []Stage{
		Connecting, CheckpointSync, DAGSync, HeadSyncReady, HeadSync,
		Switching, Working, Paused, Halted,
	}
}

// Event is what moves a pair from one stage to another.
type Event string

// The events.
const (
	// NodesReached: both nodes answer and belong to one network.
	NodesReached Event = "nodes_reached"
	// CheckpointReached: both nodes are at or past the last checkpoint.
	CheckpointReached Event = "checkpoint_reached"
	// DAGSynced: both nodes have what follows the checkpoint.
	DAGSynced Event = "dag_synced"
	// ReadyAccepted: dag_headSyncReady answered true (or was taken over, S1).
	ReadyAccepted Event = "ready_accepted"
	// AlreadySynced: gwat was proved to have all that would be pushed.
	AlreadySynced Event = "already_level"
	// Pushed: all up to head was pushed and confirmed by block reads.
	Pushed Event = "pushed"
	// Verified: both nodes were seen in normal work (S5).
	Verified Event = "verified"

	// PushFailed: the push was refused, lost, or not confirmed.
	PushFailed Event = "push_failed"
	// Reorged: the beacon left the chain that was to be pushed (S3).
	Reorged Event = "reorged"
	// VerifyFailed: normal work was not seen in time.
	VerifyFailed Event = "verify_failed"
	// WorkLost: a working pair no longer shows what S5 asks for.
	WorkLost Event = "work_lost"
	// DAGIncomplete: a node lacks blocks after the checkpoint.
	DAGIncomplete Event = "dag_incomplete"
	// CheckpointLost: a node is no longer at the checkpoint.
	CheckpointLost Event = "checkpoint_lost"
	// FellBehind: synced epoch < current epoch - 1 while no sync runs.
	FellBehind Event = "fell_behind"
	// NodeLost: a node does not answer.
	NodeLost Event = "node_lost"

	// PauseAsked, ResumeAsked and ResyncAsked come from the operator; the last
	// takes the pair through all stages again.
	PauseAsked  Event = "pause_asked"
	ResumeAsked Event = "resume_asked"
	ResyncAsked Event = "resync_asked"
	// Conflict: the nodes cannot be a pair; ConflictGone: they can again.
	Conflict     Event = "conflict"
	ConflictGone Event = "conflict_gone"
)

// Transition is one row of the table: Event leads from each of From to To.
type Transition struct {
	Event Event
	From  []Stage
	To    Stage
}

// Table is the only place that says which event leads where.
func Table() []Transition {
	return []Transition{
		{NodesReached, []Stage{Connecting}, CheckpointSync},
		{CheckpointReached, []Stage{CheckpointSync}, DAGSync},
		{DAGSynced, []Stage{DAGSync}, HeadSyncReady},
		{ReadyAccepted, []Stage{HeadSyncReady}, HeadSync},
		{AlreadySynced, []Stage{HeadSyncReady}, Switching},
		{Pushed, []Stage{HeadSync}, Switching},
		{Verified, []Stage{Switching}, Working},

		{PushFailed, []Stage{HeadSync}, HeadSyncReady},
		{Reorged, []Stage{HeadSync}, HeadSyncReady},
		{VerifyFailed, []Stage{Switching}, HeadSyncReady},
		{WorkLost, []Stage{Working}, Switching},
		{DAGIncomplete, []Stage{HeadSyncReady, HeadSync, Switching}, DAGSync},
		{CheckpointLost, []Stage{DAGSync, HeadSyncReady}, CheckpointSync},
		{FellBehind, []Stage{Switching, Working}, CheckpointSync},
		{NodeLost, []Stage{CheckpointSync, DAGSync, HeadSyncReady, HeadSync, Switching, Working}, Connecting},

		{PauseAsked, []Stage{Connecting, CheckpointSync, DAGSync, HeadSyncReady, HeadSync, Switching, Working, Halted}, Paused},
		{ResumeAsked, []Stage{Paused}, Connecting},
		{ResyncAsked, []Stage{CheckpointSync, DAGSync, HeadSyncReady, HeadSync, Switching, Working, Halted}, Connecting},
		{Conflict, []Stage{Connecting, CheckpointSync, DAGSync, HeadSyncReady, HeadSync, Switching, Working}, Halted},
		{ConflictGone, []Stage{Halted}, Connecting},
	}
}
