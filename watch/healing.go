package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch/heal"
)

// Heals are the operator's switches. Without any, syncd only reports what is wrong.
type Heals struct {
	Peers         bool
	Checkpoint    bool
	Drive         bool
	RestartGwat   string // a command; "" for none
	RestartBeacon string // a command; "" for none
}

func (h Heals) on(n heal.Name) bool {
	switch n {
	case heal.Peers:
		return h.Peers
	case heal.Checkpoint:
		return h.Checkpoint
	case heal.Drive:
		return h.Drive
	}
	return h.command(n) != ""
}

func (h Heals) command(n heal.Name) string {
	switch n {
	case heal.RestartGwat:
		return h.RestartGwat
	case heal.RestartBeacon:
		return h.RestartBeacon
	}
	return ""
}

func (h Heals) any() bool { return slices.ContainsFunc(heal.All, h.on) }

// maxEnodes is how many peers of gwat are remembered.
const maxEnodes = 16

// healing is what the loop keeps of its heals.
type healing struct {
	guard   *guard.Guard
	records map[heal.Name]*heal.Record
	enodes  []string  // of peers that gwat had, the newest first
	running heal.Name // the one try that runs; "" for none
	done    chan healed
	logged  map[heal.Name]bool // that a heal would help and is off
	looking chan struct{}      // has an element while an operator's order is looked at
	seen    time.Time          // the end of the last poll, by the clock that never jumps
}

// healed is how a try ended.
type healed struct {
	name heal.Name
	what string // what was done
	err  error
}

// newHealing returns the state at the start of a loop. It is usable even with an error, which
// is the journal's.
func newHealing(cfg *Config) (healing, error) {
	h := healing{
		guard: guard.New(cfg.Observe || cfg.Changes == nil), records: map[heal.Name]*heal.Record{},
		done: make(chan healed, 1), logged: map[heal.Name]bool{}, looking: make(chan struct{}, 1),
	}
	for _, n := range heal.All {
		h.records[n] = &heal.Record{}
	}
	tried, err := cfg.Journal.Heals()
	for _, n := range heal.All {
		if t := tried[string(n)]; t.Count > 0 {
			h.records[n] = heal.Restored(t.Count, t.Last, cfg.Now(), t.Done)
		}
	}
	enodes, failed := cfg.Journal.Peers()
	h.enodes = enodes
	return h, errors.Join(err, failed)
}

// tries returns how often each heal was tried since the pair worked.
func (h *healing) tries() map[string]journal.Tries {
	out := map[string]journal.Tries{}
	for n, r := range h.records {
		if r.Tries() > 0 {
			out[string(n)] = journal.Tries{Count: r.Tries(), Last: r.Last().Round(0), Done: r.Done()}
		}
	}
	return out
}

// again has every proof begin again.
func (h *healing) again() {
	for _, r := range h.records {
		r.Again()
	}
}

// wait waits for the end of the try that runs.
func (h *healing) wait() {
	if h.running != "" {
		<-h.done
	}
}

// human returns why the heals need a human; "" if they do not.
func (h *healing) human(on Heals, at time.Time) string {
	for _, n := range heal.All {
		if on.on(n) && h.records[n].GivenUp(at) {
			return fmt.Sprintf("heal.%s was tried %s, and what called for it goes on", n, counted.Of(h.records[n].Tries(), "time"))
		}
	}
	return ""
}

// enodes returns the addresses of peers, first of those that gwat dialled: an inbound peer may
// not listen on the port that it came from.
func enodes(peers []gwatclient.Peer) []string {
	var dialled, inbound []string
	for _, p := range peers {
		if p.Inbound {
			inbound = append(inbound, p.Enode)
		} else {
			dialled = append(dialled, p.Enode)
		}
	}
	return append(dialled, inbound...)
}

// remember keeps the peers that gwat has now, in front of those that it had before.
func (w *Watcher) remember(seen []string) {
	h := &w.healing
	kept := slices.Clone(seen)
	for _, e := range h.enodes {
		if !slices.Contains(kept, e) {
			kept = append(kept, e)
		}
	}
	kept = kept[:min(len(kept), maxEnodes)]
	if len(seen) == 0 || slices.Equal(kept, h.enodes) {
		return
	}
	h.enodes = kept
	w.note(w.cfg.Journal.SetPeers(kept))
}

// heal evaluates a poll and begins the heal that it calls for, one at a time.
func (w *Watcher) heal(ctx context.Context, o *Observation) {
	w.remember(o.Gwat.Enodes)
	h, f := &w.healing, w.healFacts(o)
	h.guard.Set(f.Why)
	if o.ended.Sub(h.seen) > w.cfg.longestTurn() { // syncd was stopped: nobody saw a proof hold
		h.again()
	}
	h.seen = o.ended
	if f.Loading {
		return // a call runs: the poll shows neither a proof nor its end
	}
	if f.Working && len(h.tries()) > 0 {
		for _, r := range h.records {
			r.Worked()
		}
		w.note(w.cfg.Journal.SetHeals(nil))
	}
	for _, n := range heal.All {
		proved, why := heal.Prove(n, &f)
		h.records[n].Observe(proved, why, o.At)
		if !proved {
			delete(h.logged, n)
		}
	}
	if h.running != "" || w.pair.who.spec == nil {
		return
	}
	slot := time.Duration(w.pair.who.spec.SecondsPerSlot) * time.Second
	for _, n := range heal.All {
		due, why := h.records[n].Next(slot, o.At)
		switch {
		case !due:
		case w.cfg.Heals.on(n):
			w.begin(ctx, n, why)
			return
		case !h.logged[n]:
			h.logged[n] = true
			w.log.WithField("heal", n).Warnf("heal.%s would help and is off: %s", n, why)
		}
	}
}

// inhibited returns why nothing may be changed now; "" if it may.
func (w *Watcher) inhibited() string {
	switch {
	case w.cfg.Observe:
		return "observe is set"
	case w.machine.Stage() == fsm.Paused || w.pair.pause != nil:
		return "paused"
	case w.pair.who.spec == nil:
		return "the network is not known yet"
	}
	return w.pair.who.conflict()
}

// healFacts returns what the heals depend on.
func (w *Watcher) healFacts(o *Observation) heal.Facts {
	found := w.health.Findings()
	f := heal.Facts{
		Why: w.inhibited(), BothUp: o.Up(), Working: health.Of(w.machine.Stage(), found, true) == status.VerdictWorking,
		Loading: o.Gwat.Loading, GwatSyncing: o.Gwat.Syncing, GwatPeers: o.Gwat.Peers, Enodes: len(w.healing.enodes),
		BeaconSyncing: o.Beacon.Syncing.IsSyncing, BeaconPeers: o.Beacon.Peers,
		OnChain:       heal.OnChain{CheckpointKnown: o.CheckpointKnown, HeadFinal: o.HeadFinal != nil && *o.HeadFinal},
		Findings:      map[string]bool{},
		GwatRestarted: w.healing.records[heal.RestartGwat].Done(),
	}
	for _, one := range found {
		if one.ExplainedBy == "" { // else the heal of its cause is the one to try
			f.Findings[one.Name] = true
		}
	}
	if spec := w.pair.who.spec; spec != nil && o.Up() {
		f.BeaconLag = max(primitives.Slot(checkpoint.Lag(o.Beacon.Head.Slot, w.now())), primitives.Slot(o.Beacon.Syncing.Distance))
		f.HeadBehind = o.Gwat.Mark != nil && heal.HeadBehind(spec, o.Beacon.Head.Slot, o.Gwat.Mark.Epoch)
		clock, justified := spec.Epoch(w.now()), o.Beacon.Finality.CurrentJustified.Epoch
		f.Unjustified = clock - min(clock, justified)
		head := spec.Epoch(o.Beacon.Head.Slot)
		f.Unfollowed = head - min(head, justified)
	}
	return f
}

// try returns a try of a heal. The network must be known.
func (w *Watcher) try(n heal.Name) *try {
	return &try{
		gwat: w.cfg.Gwat, beacon: w.cfg.Beacon, changes: w.cfg.Changes, run: w.cfg.Command,
		permit: w.healing.guard.Permit(), spec: *w.pair.who.spec, enodes: slices.Clone(w.healing.enodes), command: w.cfg.Heals.command(n),
	}
}

// begin begins a try, in a goroutine of its own. The loop reads its end from healing.done.
func (w *Watcher) begin(ctx context.Context, n heal.Name, why string) {
	h := &w.healing
	h.records[n].Try(w.cfg.Now())
	h.running = n
	w.note(w.cfg.Journal.SetHeals(h.tries())) // before it is made: a restart is no way around the back-off
	w.log.WithFields(logrus.Fields{"heal": n, "try": h.records[n].Tries()}).Warnf("Heal %s begins: %s", n, why)
	try := w.try(n)
	go func() { // its place in done is free
		what, err := try.do(ctx, n)
		h.done <- healed{name: n, what: what, err: err}
	}()
}

// healed records the end of a try in the log and in the history.
func (w *Watcher) healed(r healed) {
	w.healing.running = ""
	if failure.Canceled(r.err) {
		return // we are stopping
	}
	w.healing.again() // else the next heal begins before a finding of the healed trouble is gone
	w.cfg.Report.Tally.Healed(r.name, r.err)
	log, reason := w.log.WithField("heal", r.name), fmt.Sprintf("heal %s: %s", r.name, r.what)
	if r.err != nil {
		reason = fmt.Sprintf("heal %s failed: %s", r.name, failure.Message(r.err))
		log.WithField("done", r.what).WithError(r.err).Warnf("Heal %s failed", r.name)
	} else {
		w.healing.records[r.name].Succeeded()
		w.note(w.cfg.Journal.SetHeals(w.healing.tries()))
		log.Warnf("Heal %s is done: %s", r.name, r.what)
	}
	stage := string(w.machine.Stage())
	change := status.Change{At: w.cfg.Now(), From: stage, To: stage, Event: "heal", Reason: reason}
	w.board.Changed(change)
	w.note(w.cfg.Journal.AppendChange(journal.Change(change)))
}
