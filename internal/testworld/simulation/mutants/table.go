package main

// edit replaces the one place in a file that reads Old by New.
type edit struct {
	File string // from the root of the module
	Old  string
	New  string
}

// mutant is a deliberate bug. Rules are the names under which the simulation
// may find it, as it prints them in its violations. What no run of the simulation can
// show has the rule "test": Test, such as pair.TestName, has to fail. Coordinated is a bug
// that only a pair of that era can show: no other seeds are run.
type mutant struct {
	Name        string
	What        string
	Rules       []string
	Test        string
	Coordinated bool
	Edits       []edit
}

// coordinatedEvery is how often a seed of the simulation is of the coordinated era.
const coordinatedEvery = 5

// byTest is the rule of bugs that a test has to find.
const byTest = "test"

// mutants are the bugs that the simulation has to find, each against a rule
// that it would break.
var mutants = []mutant{
	{
		Name: "push_without_ready", What: "dag_headSync is sent without asking for readiness",
		Rules: []string{"S1"},
		Edits: []edit{{"headsync/push.go",
			"err := a.Driver.Prepare(callCtx, info)",
			"err := func(checkpoint.ConsensusInfo) error { return callCtx.Err() }(info)"}},
	},
	{
		Name: "lost_ready_taken_as_true", What: "a ready without an answer counts as accepted",
		Rules: []string{"S1"},
		Edits: []edit{{"headsync/push.go",
			"err := a.Driver.Prepare(callCtx, info)\n\tif err != nil {",
			"err := a.Driver.Prepare(callCtx, info)\n\tif gwatclient.PossiblyDone(err) {\n\t\terr = nil\n\t}\n\tif err != nil {"}},
	},
	{
		Name: "journalled_ready_believed", What: "a ready found in the journal is taken over whatever gwat says",
		Rules: []string{"S1", "S2"},
		Edits: []edit{{"protocol/headsync.go",
			"case p.Call == checkpoint.CallReady && held && s.Latest != nil && s.Latest.Hash == p.Spine:",
			"case p.Call == checkpoint.CallReady:"},
			{"headsync/push.go", "if a.Takeover != nil {\n\t\terr = a.stillInForce(ctx)\n\t} else {", "if a.Takeover == nil {"}},
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
		Edits: []edit{{"headsync/push.go", "a.Driver.Push(callCtx, Infos(push))", "a.Driver.Push(callCtx, Infos(push[min(1, len(push)-1):]))"}},
	},
	{
		Name: "reorg_ignored", What: "what is pushed is not compared with the head any more",
		Rules: []string{"S3"},
		Edits: []edit{{"headsync/push.go", "if head.Root == a.chain.Tip().Root {", "if head.Root != a.chain.parent {"}},
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
		Edits: []edit{{"headsync/verify.go", "if !v.ours[s] && e.Heights[i] > v.base {", "if len(s) > 0 && e.Heights[i] > 0 {"}},
	},
	{
		Name: "working_not_taken_back", What: "working stays when it no longer holds",
		Rules: []string{"S5"},
		Edits: []edit{{"fsm/decide.go", "case !f.Verified:\n\t\t\treturn WorkLost", "case !f.Verified && f.Paused:\n\t\t\treturn WorkLost"}},
	},
	{
		Name: "lost_node_still_working", What: "a node that is gone does not end working",
		Rules: []string{"S5", "work"},
		Edits: []edit{{"fsm/decide.go", "if stage == Connecting {\n\t\t\treturn \"\", \"\", false", "if stage == Connecting || stage == Working {\n\t\t\treturn \"\", \"\", false"}},
	},
	{
		Name: "lock_ignored", What: "gwat is asked for readiness while a competing driver holds it",
		Rules: []string{"S6"},
		Edits: []edit{
			{"headsync/push.go", "if err := state.MayBegin(); err != nil {", "if err := state.MayBegin(); err != nil && !errors.Is(err, protocol.ErrLockHeld) {"},
			{"headsync/competing.go", "bool { return w.sign != \"\" }", "bool { return w.sign == \"-\" }"},
		},
	},
	{
		Name: "rival_taken_over_at_once", What: "syncd takes over without waiting three quiet slots",
		Rules: []string{"S6"},
		Edits: []edit{{"headsync/competing.go", "const QuietSlots = 3", "const QuietSlots = 0"}},
	},
	{
		Name: "outlived_call_forgotten", What: "a call without an answer within a second is given up and counts as over",
		Rules: []string{"S6", "S1"},
		Edits: []edit{
			{"protocol/headsync.go", "until := p.SentAt.Add(s.GiveUp + s.LockTime)", "until := p.SentAt"},
			{"headsync/push.go", "return context.WithTimeout(ctx, a.Limits.Hard)", "return context.WithTimeout(ctx, time.Second)"},
		},
	},
	{
		Name: "open_call_ignored", What: "syncd writes although a call that it gave up after a second may still run",
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
		Name: "stale_confirmed_kept", What: "a confirmed entry from the journal is shown though gwat lost it",
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
		Name: "pending_waits_for_idle", What: "a call without an answer is resolved only while no attempt runs, and one follows the other",
		Rules: []string{"progress", "liveness"},
		Edits: []edit{
			{"pair/writes.go", "\tif left == nil {\n\t\treturn\n\t}\n\tswitch state, why", "\tif left == nil || p.job.worker != nil {\n\t\treturn\n\t}\n\tswitch state, why"},
			{"pair/act.go", "return seen.inhibited && seen == p.job.tried", "return false"},
		},
	},
	{
		Name: "no_second_attempt", What: "a failed attempt is not tried again",
		Rules: []string{"liveness"},
		Edits: []edit{{"pair/act.go", "!p.idle(seen) && p.isDue(", "p.job.attempts == 0 && p.isDue("}},
	},
	{
		Name: "verifier_base_before_rollback", What: "what gwat finalized counts as work only beyond the number from before a ready rolled it back",
		Rules: []string{"test"}, Test: "pair.TestTheVerificationCountsFromWhatThePushFinalized",
		Edits: []edit{{"pair/proof.go", "if from != fsm.Working && p.proof.pushedTo > 0 {", "if from == fsm.Working && p.proof.pushedTo > 0 {"}},
	},
	{
		Name: "lock_over_a_block", What: "gwat's lock is taken over the block of a beacon node at work, with no gate between",
		Rules: []string{"block"},
		Edits: []edit{{"headsync/moment.go", "if !a.BeaconWorks || a.Takeover != nil {\n\t\treturn false, nil", "if a.BeaconWorks || a.Takeover != nil {\n\t\treturn false, nil"}},
	},
	{
		Name: "lag_memory_kept", What: "a restarted beacon node is measured by the lag that it had before",
		Rules: []string{"test"}, Test: "health.TestLagIsMeasuredAnewAfterARestart",
		Edits: []edit{
			{"health/memory.go", "if b.Head+checkpoint.NearHead < m.head {\n\t\tm.behind = false", "if b.Head+checkpoint.NearHead < m.head {\n\t\tm.headLost = false"},
			{"health/memory.go", "if m.lagSince += gap; gap > m.slot() {\n\t\tm.behind = false", "if m.lagSince += gap; gap > m.slot() {\n\t\tm.headLost = false"},
		},
	},
	{
		Name: "observe_keeps_the_sign", What: "an observer never forgets a competing driver",
		Rules: []string{"test"}, Test: "pair.TestAnObserverForgetsACompetingDriver",
		Edits: []edit{{"pair/act.go", "if p.polls.identity != nil {\n\t\tp.writes.competing.Expire(", "if p.polls.identity != nil && !p.cfg.Observe {\n\t\tp.writes.competing.Expire("}},
	},
	{
		Name: "log_blocks_the_loop", What: "whoever logs waits for the log's reader",
		Rules: []string{"test"}, Test: "internal/logs.TestALogThatNobodyReadsHoldsNobodyUp",
		Edits: []edit{{"internal/logs/writer.go", "w.queue = append(w.queue, bytes.Clone(p))", "if len(w.queue) == 0 {\n\t\treturn w.out.Write(p)\n\t}\n\tw.queue = append(w.queue, bytes.Clone(p))"}},
	},
	{
		Name: "gate_answer_changed", What: "the gate adds a byte to each answer that it forwards",
		Rules: []string{"S8"},
		Edits: []edit{{"gate/conn_http.go", "copyThrough(onlyWriter{w}, answer.body, rec.feed, flush)",
			"copyThrough(onlyWriter{w}, io.MultiReader(answer.body, strings.NewReader(\"\\n\")), rec.feed, flush)"}},
	},
	{
		Name: "gate_header_dropped", What: "a header of the caller does not reach gwat",
		Rules: []string{"S8"},
		Edits: []edit{{"gate/backend_http.go", "out[\"Accept-Encoding\"] = true", "out[\"Accept\"] = true"}},
	},
	{
		Name: "gate_call_repeated", What: "a forwarded call without an answer is made once more",
		Rules: []string{"S8"},
		Edits: []edit{
			{"gate/conn_http.go", "x.body, x.length = body, length\n", "all, _ := io.ReadAll(body)\n\tx.body, x.length = bytes.NewReader(all), length\n"},
			{"gate/conn_http.go", "answer, err := g.backend.do(r.Context(), &x)\n",
				"answer, err := g.backend.do(r.Context(), &x)\n\tif err != nil && r.Context().Err() == nil {\n\t\tx.body = bytes.NewReader(all)\n\t\tanswer, err = g.backend.do(r.Context(), &x)\n\t}\n"},
		},
	},
	{
		Name: "gate_newest_first", What: "of several held calls the newest has its turn",
		Rules: []string{"S8", "S9"},
		Edits: []edit{{"gate/hold.go", "first, free = q.waiting[0] == h, q.lock == nil", "first, free = q.waiting[len(q.waiting)-1] == h, q.lock == nil"}},
	},
	{
		Name: "gate_finalize_not_held", What: "dag_finalize is forwarded while gwat is away or syncs",
		Rules: []string{"S8", "S9"},
		Edits: []edit{{"gate/policy.go", "[]string{methodFinalize}, ActionHold,", "[]string{methodFinalize}, ActionForward,"}},
	},
	{
		Name: "gate_never_absorbs", What: "a call is held for longer than the beacon node waits",
		Rules: []string{"S9"},
		Edits: []edit{{"gate/config.go", "DefaultAbsorb = 20 * time.Second", "DefaultAbsorb = 45 * time.Second"}},
	},
	{
		Name: "gate_error_absorbed", What: "a held call whose time is over is answered with gwat's last error",
		Rules: []string{"S9"},
		Edits: []edit{{"gate/owned.go", "rec.calls[i].Lasting = lasting\n", "if last != nil {\n\t\trec.end(i, OutcomeError, why)\n\t\treturn last\n\t}\n\trec.calls[i].Lasting = lasting\n"}},
	},
	{
		Name: "gate_stop_drops_held", What: "what is held when syncd stops is dropped",
		Rules: []string{"S9"},
		Edits: []edit{{"gate/owned.go", "case v == gone:", "case v == gone, v == absorbed && g.draining.Load():"}},
	},
	{
		Name: "gate_driver_forwarded", What: "the beacon node's own readies go to gwat",
		Rules: []string{"S6", "S9"},
		Edits: []edit{{"gate/policy.go", "[]string{methodReady}, ActionAnswer,", "[]string{methodReady}, ActionForward,"}},
	},
	{
		Name: "gate_lock_ignored", What: "held calls go to gwat while syncd has its lock",
		Rules: []string{"S9"},
		Edits: []edit{{"gate/hold.go", "first, free = q.waiting[0] == h, q.lock == nil", "first, free = q.waiting[0] == h, q.trying || !q.trying"}},
	},
	{
		Name: "gate_pause_ignored", What: "the gate holds and answers calls though syncd is paused",
		Rules: []string{"S8", "S10"},
		Edits: []edit{{"pair/gated.go", "case s.Observe, p.ledger.Pause() != nil, s.Stage == string(fsm.Paused),", "case s.Observe,"}},
	},
	{
		Name: "gate_holds_sync", What: "the gate holds a call that its policy did not name",
		Rules: []string{"S8", "S10"},
		Edits: []edit{{"gate/policy.go", "[]string{methodFinalize}, ActionHold,", "[]string{methodFinalize, methodSync}, ActionHold,"}},
	},
	{
		Name: "gate_absorbed_not_proved", What: "working is said though an absorbed call is not proved",
		Rules: []string{"test"}, Test: "pair.TestAbsorbedCallsAreProvedByBlockReads",
		Edits: []edit{{"pair/gated.go", "if a.Count == 0 {\n\t\treturn \"\"", "if a.Count >= 0 {\n\t\treturn \"\""}},
	},
	{
		Name: "ready_noted_before_gate", What: "a ready counts as sent while it waits for the gate's lock",
		Rules: []string{"test"}, Test: "headsync.TestAReadyIsWrittenDownAfterTheWaitForOthers",
		Edits: []edit{{"headsync/push.go", "return a.Reserve(ctx)", "a.Ledger.SetPending(a.pending(checkpoint.CallReady, nil))\n\treturn a.Reserve(ctx)"}},
	},
	{
		Name: "heal_switch_ignored", What: "every heal is tried, whether or not its setting is on",
		Rules: []string{"observe"}, Coordinated: true,
		Edits: []edit{{"watch/healing.go", "case w.cfg.Heals.on(n):", "case w.cfg.Heals.on(n) || !w.cfg.Observe:"}},
	},
	{
		Name: "heal_proof_not_held", What: "a heal begins with the first poll that proves it",
		Rules: []string{"proof"}, Coordinated: true,
		Edits: []edit{{"watch/heal/record.go", "HoldSlots = 4 ", "HoldSlots = 0 "}},
	},
	{
		Name: "heal_peers_unproved", What: "peers are added to a gwat that has some",
		Rules: []string{"proof"}, Coordinated: true,
		Edits: []edit{{"watch/heal/proof.go", "case *f.GwatPeers > 0:", "case *f.GwatPeers > 99:"}},
	},
	{
		Name: "heal_without_pause", What: "a heal is tried again at once",
		Rules: []string{"backoff", "one"}, Coordinated: true,
		Edits: []edit{{"watch/heal/record.go", "Pause     = time.Minute // between two tries", "Pause     = time.Second // between two tries"}},
	},
	{
		Name: "heal_tried_for_ever", What: "a heal is tried more than three times",
		Rules: []string{"backoff"}, Coordinated: true,
		Edits: []edit{{"watch/heal/record.go", "MaxTries  = 3 ", "MaxTries  = 99 "}},
	},
	{
		Name: "heal_paused_pair", What: "a paused pair is healed",
		Rules: []string{"observe"}, Coordinated: true,
		Edits: []edit{{"watch/healing.go", "case w.machine.Stage() == fsm.Paused || w.pair.pause != nil:", "case w.machine.Stage() == fsm.Paused && w.pair.pause == nil:"}},
	},
	{
		Name: "heal_own_root", What: "a foreign checkpoint is exchanged for one with the same root",
		Rules: []string{"canonical"}, Coordinated: true,
		Edits: []edit{{"watch/heal/exchange.go", "FinEpoch: r.Spec.Epoch(r.Head.Slot), Root: point.Root,", "FinEpoch: r.Spec.Epoch(r.Head.Slot), Root: r.Mark.Root,"}},
	},
	{
		Name: "heal_spine_not_final", What: "a checkpoint is exchanged although its spine is not final in gwat",
		Rules: []string{"test"}, Test: "watch/heal.TestExchange",
		Edits: []edit{{"watch/heal/exchange.go", "case !r.Spine.Final():", "case !r.Spine.Final() && r.Spine.Number != nil:"}},
	},
	{
		Name: "drive_skips_a_spine", What: "the calls of a drive leave out the spine after the base",
		Rules: []string{"order"}, Coordinated: true,
		Edits: []edit{{"watch/heal/drive.go", "slices.Concat(s.Spines.Finalized[1:], s.Spines.Finalization)", "slices.Concat(s.Spines.Finalized[min(2, len(s.Spines.Finalized)):], s.Spines.Finalization)"}},
	},
	{
		Name: "drive_over_operations", What: "gwat is driven over an epoch in which a validator leaves",
		Rules: []string{"operations"}, Coordinated: true,
		Edits: []edit{{"watch/heal/drive.go", "if n := len(s.Operations); n > 0 {", "if n := len(s.Operations); n > 99 {"}},
	},
	{
		Name: "drive_beside_the_beacon", What: "a drive goes on although the beacon node drives, too",
		Rules: []string{"delayed"}, Coordinated: true,
		Edits: []edit{
			{"watch/try.go", "case head.Root != *p.head:", "case head.Root != *p.head && head.Slot == 0:"},
			{"watch/try.go", "case *mark != *before:", "case *mark != *before && mark.Epoch == 0:"},
		},
	},
	{
		Name: "silence_seen_too_early", What: "beacon_silent is reported for a gwat that has just left normal work",
		Rules: []string{"finding", "proof"}, Coordinated: true,
		Edits: []edit{{"health/coordinated.go", "if waited < UnmovedSlots*v.mem.slot() {\n\t\treturn healthy\n\t}\n\treturn shows(why", "if waited < 0 {\n\t\treturn healthy\n\t}\n\treturn shows(why"}},
	},
	{
		Name: "checkpoint_asked_once", What: "whether the beacon node has gwat's checkpoint is asked of the first one only",
		Rules: []string{"finding", "proof", "liveness"}, Coordinated: true,
		Edits: []edit{{"watch/poll.go", "root != p.asked || p.known == nil || !*p.known {", "p.known == nil {"}},
	},
	{
		Name: "peers_loop_with_peers", What: "no_peers_loop is reported for a gwat with peers",
		Rules: []string{"finding"}, Coordinated: true,
		Edits: []edit{{"health/coordinated.go", "case peers > 0 || v.uncalled(", "case peers > 99 || v.uncalled("}},
	},
	{
		Name: "standing_head_waited_for", What: "a beacon node's head that stands while its driver waits for gwat is waited for",
		Rules: []string{"test"}, Test: "pair.TestABeaconWhoseDriverWaits",
		Edits: []edit{{"pair/facts.go", "since.IsZero() || o.Gwat.Sync.Activity.Loads()", "!since.IsZero() || o.Gwat.Sync.Activity.Loads()"}},
	},
	{
		Name: "lock_waits_for_every_call", What: "the gate's lock waits until no held call is left, however long gwat takes none",
		Rules: []string{"test"}, Test: "gate.TestLockFollowsTheFirstCallThatHangs",
		Edits: []edit{{"gate/hold.go", "q.trying, q.passed = false, inVain", "q.trying, q.passed = false, false"}},
	},
	{
		Name: "silent_work", What: "the pair is said to work although gwat does not follow the head",
		Rules: []string{"test"}, Test: "watch.TestWorkingIsTakenBack",
		Edits: []edit{{"watch/watcher.go", "p.follows = !o.Gwat.Syncing && now <= p.at+followSlots", "p.follows = !o.Gwat.Syncing || now <= p.at+followSlots"}},
	},
}
