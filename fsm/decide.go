package fsm

// Facts is what a stage depends on, as the newest poll of both nodes shows it. Each Why is
// shown in the status, as the reason of a transition or as what the stage waits for.
type Facts struct {
	Paused   bool // the operator's wish
	PauseWhy string

	// Judged: both nodes said who they are; only then Conflict means anything.
	Judged   bool
	Conflict string // why the nodes cannot be a pair; "" if they can

	Up    bool // both nodes answer
	UpWhy string

	CheckpointReached bool
	CheckpointWhy     string

	DAGSynced bool
	DAGWhy    string

	FellBehind    bool
	FellBehindWhy string

	// The verification (S5), in Switching and Working only.
	Verified   bool
	VerifyWhy  string
	VerifyOver bool // not verified, and the time for it is over
}

// Decide returns the event that the facts imply in a stage, and why; false if the stage
// stays. The caller fires the event and calls Decide again, until it returns false. Decide
// never returns the events that report what a worker did (ReadyAccepted, Pushed,
// AlreadySynced, PushFailed, Reorged), nor ResyncAsked, which is an order.
func Decide(stage Stage, f Facts) (Event, string, bool) {
	switch {
	// The operator's pause comes before everything else. While it lasts no fact is looked at,
	// and when it ends the pair begins again at Connecting.
	case f.Paused && stage != Paused:
		return PauseAsked, f.PauseWhy, true
	case !f.Paused && stage == Paused:
		return ResumeAsked, "asked by the operator", true
	case stage == Paused:
		return "", "", false
	}
	// A halt ends as soon as the nodes are seen to agree. A node that is down says nothing
	// of that, so the halt stays.
	if stage == Halted {
		if f.Judged && f.Conflict == "" {
			return ConflictGone, "the nodes agree", true
		}
		return "", "", false
	}
	// A conflict halts the pair from every other stage, even if a node is down by now: nothing
	// may be sent to nodes of two networks.
	if f.Judged && f.Conflict != "" {
		return Conflict, f.Conflict, true
	}
	// Nothing can be decided about a node that is down. The pair begins again at Connecting,
	// and passes the stages that it still satisfies at once.
	if !f.Up {
		if stage == Connecting {
			return "", "", false
		}
		return NodeLost, f.UpWhy, true
	}
	return decideUp(stage, f)
}

// decideUp is Decide for two nodes that answer.
func decideUp(stage Stage, f Facts) (Event, string, bool) {
	switch stage {
	// Both nodes answer. The way on is open once they have said which network they are of.
	case Connecting:
		if f.Judged {
			return NodesReached, "both nodes answer and belong together", true
		}
	// Each node syncs to the last checkpoint by itself; syncd only waits for both.
	case CheckpointSync:
		if f.CheckpointReached {
			return CheckpointReached, f.CheckpointWhy, true
		}
	// Each node loads what follows the checkpoint by itself. A node that is below the
	// checkpoint again goes back a stage.
	case DAGSync:
		if !f.CheckpointReached {
			return CheckpointLost, f.CheckpointWhy, true
		}
		if f.DAGSynced {
			return DAGSynced, f.DAGWhy, true
		}
	// Attempts ask gwat whether it is ready; their reports, not the facts, lead on to
	// HeadSync or Switching. Only a node that has lost what came before is decided here.
	// In HeadSync nothing is decided: the push itself reports how it ends.
	case HeadSyncReady:
		if !f.CheckpointReached {
			return CheckpointLost, f.CheckpointWhy, true
		}
		if !f.DAGSynced {
			return DAGIncomplete, f.DAGWhy, true
		}
	// All was pushed. The verification leads to Working. If its time is over, or the pair
	// lacks blocks or is epochs behind, the pair goes back to the stage that repairs it.
	case Switching:
		switch {
		case f.FellBehind:
			return FellBehind, f.FellBehindWhy, true
		case f.Verified:
			return Verified, f.VerifyWhy, true
		case !f.DAGSynced:
			return DAGIncomplete, f.DAGWhy, true
		case f.VerifyOver:
			return VerifyFailed, f.VerifyWhy, true
		}
	// Working holds only while the verification does (S5). A missing block alone does not
	// end it: normal work loads it.
	case Working:
		switch {
		case f.FellBehind:
			return FellBehind, f.FellBehindWhy, true
		case !f.Verified:
			return WorkLost, f.VerifyWhy, true
		}
	}
	return "", "", false
}

// Waiting returns what a stage waits for, from the same facts.
func Waiting(stage Stage, f Facts) string {
	switch stage {
	case Connecting:
		// Nothing can be decided about a node that is down. The pair begins again at Connecting,
		// and passes the stages that it still satisfies at once.
		if !f.Up {
			return f.UpWhy
		}
		return "both nodes to say which network they are of"
	case CheckpointSync:
		return f.CheckpointWhy
	case DAGSync:
		return f.DAGWhy
	case Switching:
		return f.VerifyWhy
	case Paused:
		return "the operator to resume (`syncd resume`)"
	case Halted:
		return f.Conflict
	}
	return ""
}
