package main

// edit replaces the one place in a file that reads Old by New.
type edit struct {
	File string // from the root of the module
	Old  string
	New  string
}

// mutant is a deliberate bug. Rules are the names under which the simulation
// may find it, as it prints them in its violations.
type mutant struct {
	Name  string
	What  string
	Rules []string
	Edits []edit
}

// mutants are the bugs that the simulation has to find, each against a rule
// that it would break.
var mutants = []mutant{
	{
		Name: "push_without_ready", What: "dag_headSync is sent without asking for readiness",
		Rules: []string{"S1"},
		Edits: []edit{{"headsync/push.go",
			"ok, err := a.Driver.HeadSyncReady(callCtx, info)",
			"ok, err := callCtx != nil, error(nil)"}},
	},
	{
		Name: "lost_ready_taken_as_true", What: "a ready without an answer counts as accepted",
		Rules: []string{"S1"},
		Edits: []edit{{"headsync/push.go",
			"ok, err := a.Driver.HeadSyncReady(callCtx, info)\n\tif err != nil {",
			"ok, err := a.Driver.HeadSyncReady(callCtx, info)\n\tif gwatclient.PossiblyDone(err) {\n\t\tok, err = true, nil\n\t}\n\tif err != nil {"}},
	},
	{
		Name: "journalled_ready_believed", What: "a ready found in the journal is taken over whatever gwat says",
		Rules: []string{"S1"},
		Edits: []edit{{"headsync/outlived.go",
			"case p.Call == checkpoint.CallReady && held && s.Latest != nil && s.Latest.Hash == p.Spine:",
			"case p.Call == checkpoint.CallReady:"}},
	},
	{
		Name: "ready_not_written_down", What: "a ready is sent, and taken over, that is not in the journal",
		Rules: []string{"S1"},
		Edits: []edit{{"pair/ledger/ledger.go", "err := l.journal.SetPending(p)",
			"var err error\n\tif p.Call != checkpoint.CallReady {\n\t\terr = l.journal.SetPending(p)\n\t}"}},
	},
	{
		Name: "gap_skipped", What: "an entry whose spine gwat lacks is left out and the rest is pushed",
		Rules: []string{"S2"},
		Edits: []edit{
			{"headsync/batcher.go",
				"c := checkedBatch{missing: &MissingSpine{Spine: spine}}",
				"if n+1 < len(entries) {\n\t\treturn checkedBatch{entries: append(entries[:n:n], entries[n+1:]...)}\n\t}\n\tc := checkedBatch{missing: &MissingSpine{Spine: spine}}"},
			{"headsync/push.go", "if err := CheckLinked(push); err != nil {", "if err := CheckLinked(push); err != nil && len(push) == 0 {"},
		},
	},
	{
		Name: "first_entry_dropped", What: "a push begins one entry after the checkpoint's child",
		Rules: []string{"S2"},
		Edits: []edit{{"headsync/push.go", "a.Driver.HeadSync(callCtx, Infos(push))", "a.Driver.HeadSync(callCtx, Infos(push[min(1, len(push)-1):]))"}},
	},
	{
		Name: "reorg_ignored", What: "what is pushed is not compared with the head any more",
		Rules: []string{"S3"},
		Edits: []edit{{"headsync/push.go", "if head.Root == a.chain.Tip().Root {", "if head.Root != a.chain.Parent {"}},
	},
	{
		Name: "head_not_asked", What: "the head is not read before a push",
		Rules: []string{"S3"},
		Edits: []edit{{"headsync/push.go", "var last error\n\tfor range 3 {", "var last error\n\tif len(entries) > 0 {\n\t\treturn entries, nil\n\t}\n\tfor range 3 {"}},
	},
	{
		Name: "old_head_answer", What: "only the first push of an attempt asks for the head",
		Rules: []string{"S3"},
		Edits: []edit{{"headsync/push.go", "push, cause := a.freshest(ctx, entries, read)",
			"push, cause := entries, error(nil)\n\tif a.sent == 0 {\n\t\tpush, cause = a.freshest(ctx, entries, read)\n\t}"}},
	},
	{
		Name: "always_full_push", What: "every push begins at the last checkpoint and rolls back what lies beyond",
		Rules: []string{"S4"},
		Edits: []edit{{"headsync/attempt.go", "if a.PushFromCheckpoint || a.Takeover != nil {", "if a.next > 0 || a.Takeover != nil {"}},
	},
	{
		Name: "abandoned_order_accepted", What: "blocks that gwat finalized in the order of an abandoned fork are taken as right",
		Rules: []string{"order", "S4", "S5", "liveness"},
		Edits: []edit{{"headsync/order.go",
			"if *b.Number <= number || !intervalInOrder(number, b, view.ByNumber) {",
			"if b.Number == nil {"},
			{"headsync/order.go", "if b == nil || !b.IsSpine() {", "if b == nil || b.Number == nil {"}},
	},
	{
		Name: "working_said_early", What: "working is said without a new head",
		Rules: []string{"S5"},
		Edits: []edit{{"headsync/verify.go", "NewHeads = 2", "NewHeads = 0"}},
	},
	{
		Name: "own_push_is_evidence", What: "spines that syncd pushed itself count for normal work",
		Rules: []string{"S5"},
		Edits: []edit{{"headsync/verify.go", "if !v.ours[s] && l.Heights[i] > v.base {", "if len(s) > 0 && l.Heights[i] > 0 {"}},
	},
	{
		Name: "working_not_taken_back", What: "working stays when it no longer holds",
		Rules: []string{"S5"},
		Edits: []edit{{"fsm/decide.go", "case !f.Verified:\n\t\t\treturn WorkLost", "case !f.Verified && f.Paused:\n\t\t\treturn WorkLost"}},
	},
	{
		Name: "lost_node_still_working", What: "a node that is gone does not end working",
		Rules: []string{"S5"},
		Edits: []edit{{"fsm/decide.go", "if stage == Connecting {\n\t\t\treturn \"\", \"\", false", "if stage == Connecting || stage == Working {\n\t\t\treturn \"\", \"\", false"}},
	},
	{
		Name: "lock_ignored", What: "gwat is asked for readiness while another driver holds it",
		Rules: []string{"S6"},
		Edits: []edit{
			{"headsync/push.go", "case gwatclient.StageHead:\n\t\t\treturn ErrLockHeld", "case gwatclient.StageHead:"},
			{"headsync/rival.go", "bool { return w.sign != \"\" }", "bool { return w.sign == \"-\" }"},
		},
	},
	{
		Name: "rival_taken_over_at_once", What: "syncd takes over without waiting three quiet slots",
		Rules: []string{"S6"},
		Edits: []edit{{"headsync/rival.go", "const QuietSlots = 3", "const QuietSlots = 0"}},
	},
	{
		Name: "outlived_call_forgotten", What: "a call without an answer within a second is given up and counts as over",
		Rules: []string{"S6", "S1"},
		Edits: []edit{
			{"headsync/outlived.go", "until := p.SentAt.Add(s.GiveUp + s.LockTime)", "until := p.SentAt"},
			{"headsync/push.go", "return context.WithTimeout(ctx, a.Limits.Hard)", "return context.WithTimeout(ctx, time.Second)"},
		},
	},
	{
		Name: "open_call_ignored", What: "a call that was given up after a second and may still run does not keep hands off",
		Rules: []string{"S6", "S1"},
		Edits: []edit{
			{"headsync/push.go", "return context.WithTimeout(ctx, a.Limits.Hard)", "return context.WithTimeout(ctx, time.Second)"},
			{"pair/writes.go", "left != nil && (!p.writes.takeover || p.job.worker != nil) {", "left != nil && !p.writes.takeover && p.cfg.Observe {"},
		},
	},
	{
		Name: "confirmed_before_push", What: "an entry is stored as confirmed before gwat was asked",
		Rules: []string{"S7", "S4"},
		Edits: []edit{{"headsync/push.go", "took := a.Now().Sub(begin)\n\tif err != nil {",
			"took := a.Now().Sub(begin)\n\tif last := push[len(push)-1]; err != nil {\n\t\tif spine, has := last.Info.LastSpine(); has {\n\t\t\ta.Ledger.SetConfirmed(checkpoint.Confirmed{Slot: last.Slot(), Root: last.Root, Spine: spine, Number: a.pos.Number + 1, At: begin})\n\t\t}"},
		},
	},
	{
		Name: "stale_confirmed_kept", What: "a confirmed entry from the journal is told though gwat lost it",
		Rules: []string{"S7", "S4"},
		Edits: []edit{{"pair/writes.go", "if b == nil || !b.IsSpine() || *b.Number != c.Number {", "if b != nil && b.IsSpine() && *b.Number != c.Number {"}},
	},
	{
		Name: "observer_writes", What: "syncd pushes though it is to observe only",
		Rules: []string{"observe"},
		Edits: []edit{
			{"pair/writes.go", "if p.cfg.Observe {", "if p.cfg.Observe && p.ledger.Pause() != nil {"},
			{"gwatclient/guard/guard.go", "if g.observe {", "if g == nil {"},
		},
	},
	{
		Name: "pending_waits_for_idle", What: "a call without an answer is resolved by a poll only while no attempt runs",
		Rules: []string{"liveness", "progress"},
		Edits: []edit{{"pair/writes.go", "\tif left == nil {\n\t\treturn\n\t}\n\tswitch state, why", "\tif left == nil || p.job.worker != nil {\n\t\treturn\n\t}\n\tswitch state, why"}},
	},
	{
		Name: "no_second_attempt", What: "a failed attempt is not tried again",
		Rules: []string{"liveness"},
		Edits: []edit{{"pair/act.go", "!p.idle(seen) && p.isDue(", "p.job.attempts == 0 && p.isDue("}},
	},
}
