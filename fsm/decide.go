package fsm

// Facts is what the observation of both nodes says, as far as a stage depends
// on it. Each Why goes into the status as the reason or as what is waited for.
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

	// Of the verification (S5); meant in Switching and Working only.
	Verified   bool
	VerifyWhy  string
	VerifyOver bool // not verified, and the time for it is over
}

// Decide returns which event the facts imply in a stage, and why; false if the
// stage stays. Events that report what a worker did (ReadyAccepted, Pushed,
// AlreadySynced, PushFailed, Reorged) and ResyncAsked, which is an order and no
// state, are not among the answers.
// A caller repeats it until it answers false.
func Decide(stage Stage, f Facts) (Event, string, bool) {
	switch {
	case f.Paused && stage != Paused:
		return PauseAsked, f.PauseWhy, true
	case !f.Paused && stage == Paused:
		return ResumeAsked, "asked by the operator", true
	case stage == Paused:
		return "", "", false
	}
	if stage == Halted {
		if f.Judged && f.Conflict == "" {
			return ConflictGone, "the nodes agree", true
		}
		return "", "", false
	}
	if f.Judged && f.Conflict != "" {
		return Conflict, f.Conflict, true
	}
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
	case Connecting:
		if f.Judged {
			return NodesReached, "both nodes answer and belong together", true
		}
	case CheckpointSync:
		if f.CheckpointReached {
			return CheckpointReached, f.CheckpointWhy, true
		}
	case DAGSync:
		if !f.CheckpointReached {
			return CheckpointLost, f.CheckpointWhy, true
		}
		if f.DAGSynced {
			return DAGSynced, f.DAGWhy, true
		}
	case HeadSyncReady:
		if !f.CheckpointReached {
			return CheckpointLost, f.CheckpointWhy, true
		}
		if !f.DAGSynced {
			return DAGIncomplete, f.DAGWhy, true
		}
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
		if !f.Up {
			return f.UpWhy
		}
		return "both nodes to tell who they are"
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
