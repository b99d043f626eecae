package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/orders"
	"github.com/gwatsync/syncd/pair/publish"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/status"
)

// ErrBeaconDrives: syncd makes no calls in this era, so there is nothing to repeat.
var ErrBeaconDrives = failure.WithKind(failure.NeedsHuman, errors.New("this pair is of the coordinated era: the beacon node drives gwat and syncd only watches; restart the beacon node to have it sync gwat again"))

// Watcher is the loop of one pair. Run owns every field but the channels.
type Watcher struct {
	publish.Reader
	board  *publish.Board
	cfg    Config
	log    logrus.FieldLogger
	polls  poller
	orders *orders.Queue
	ended  chan struct{}

	machine *fsm.Machine
	stage   entered
	pair    known
	proof   proof
	healing healing
	health  *health.Engine
	journal trouble
	seq     uint64
}

// entered is how the present stage began.
type entered struct {
	at     time.Time
	reason string
}

// known is what the loop keeps of the polls.
type known struct {
	last   *Observation // the newest
	good   *Observation // the newest that both nodes answered
	fails  int          // polls in a row that a node did not answer
	begin  time.Time    // of the loop
	events uint64       // head events of the beacon's stream
	nodes  nodes
	mark   *protocol.Mark // the newest of a gwat that has answered since
	pause  *journal.Pause // the operator's; nil if there is none
	who    identity
}

// trouble is why the journal's last write failed; "" if it did not.
type trouble string

// New returns a watcher of the pair; neither node needs to be up.
func New(cfg Config) (*Watcher, error) {
	err := cfg.check()
	if err != nil {
		return nil, err
	}
	board := publish.NewBoard(cfg.Past)
	now := cfg.Now()
	ended := make(chan struct{})
	w := &Watcher{
		Reader: board.Reader(), board: board, cfg: cfg, log: cfg.Log.WithField("pair", cfg.Name),
		polls:  poller{gwat: cfg.Gwat, beacon: cfg.Beacon, now: cfg.Now, timeout: cfg.CallTimeout, again: cfg.PollInterval},
		orders: orders.NewQueue(ended), ended: ended,
		stage:  entered{at: now, reason: "syncd started"},
		health: health.NewCoordinated(cfg.PollInterval),
	}
	w.pair.begin = now
	health.Report{Gone: w.health.Resume(cfg.Report.Told)}.Log(w.log)
	if w.healing, err = newHealing(&cfg); err != nil {
		w.note(err)
	}
	if pause, err := cfg.Journal.Pause(); err == nil {
		w.pair.pause = pause
	}
	w.pair.nodes.resume(publish.Remembered(cfg.Journal, cfg.Past))
	w.machine = fsm.New(w.changed)
	if cfg.Report.Registerer != nil {
		labelled := prometheus.WrapRegistererWith(prometheus.Labels{"pair": cfg.Name}, cfg.Report.Registerer)
		for _, c := range append(cfg.Report.Tally.Collectors(), publish.NewMirror(w.Snapshot, health.CoordinatedCatalog())) {
			if err := labelled.Register(c); err != nil {
				return nil, fmt.Errorf("register metrics: %w", err)
			}
		}
	}
	w.publish()
	return w, nil
}

// Run polls the pair until ctx ends. It is called once. Each turn of the loop goes the same
// way: a message is taken in, settle moves to the stage that follows from it, and publish
// makes a snapshot of it. What changes the nodes is a heal, which runs beside the loop.
func (w *Watcher) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(ctx)
	defer w.board.Close()
	defer close(w.ended)
	defer cancel()
	events := w.cfg.Beacon.Events(inner, beaconclient.StreamOptions{})
	tick := time.NewTicker(w.cfg.PollInterval)
	defer tick.Stop()
	polls := turns{poll: func() *Observation { return w.polls.poll(inner) }, done: make(chan *Observation, 1)}
	defer func() {
		cancel()
		polls.wait()
		w.polls.wait()
		w.healing.wait()
	}()
	polls.ask()
	in := inbox{ctx.Done(), polls.done, w.healing.done, w.orders.C(), events, tick.C}
	for {
		switch m := in.next().(type) {
		case stop:
			return nil
		case *Observation: // both nodes were read: decide by what they are now
			polls.running = false
			if time.Since(m.ended) > maxAge { // syncd was stopped between the poll and this turn
				polls.ask()
				continue
			}
			w.observed(inner, m)
			if polls.again {
				polls.ask()
			}
		case healed: // a heal has ended: the next poll shows what it did
			w.healed(m)
			w.republish()
			polls.ask()
		case orders.Order: // an operator's order: it is carried out before it is answered
			err := m.Do(ctx)
			w.settle(ctx)
			w.republish()
			m.Done(err)
		case beaconclient.Event: // the beacon's head has moved: the next poll reads where to
			if m.Head != nil {
				w.pair.events++
				polls.ask()
			}
		case ticked: // a poll is due
			if polls.running {
				w.waits()
				w.republish() // a poll that hangs does not stop the clock
			}
			polls.ask()
		}
	}
}

// republish publishes what is known between two polls, unless syncd stood still.
func (w *Watcher) republish() {
	if !w.overslept() {
		w.publish()
	}
}

// overslept reports whether a pair that works was not looked at for longer than a poll may
// take: syncd itself was stopped, or its disk was. What it knows is not published as of now
// then; the poll that runs or follows decides.
func (w *Watcher) overslept() bool {
	o := w.pair.last
	return o != nil && w.machine.Stage() == fsm.Working && time.Since(o.ended) > w.cfg.longestTurn()
}

// observed evaluates a poll: the nodes, the proof of work, the stage and the pair's health, in
// this order. It publishes the result.
func (w *Watcher) observed(ctx context.Context, o *Observation) {
	if failure.Canceled(o.Gwat.Err) || failure.Canceled(o.Beacon.Err) {
		return // we are stopping
	}
	p := &w.pair
	p.last = o
	p.nodes.observe(o)
	if o.Gwat.Err != nil || o.Gwat.Mark != nil {
		p.mark = o.Gwat.Mark // after an outage it may be another process, which begins further back
	}
	if o.Up() {
		p.good, p.fails = o, 0
		p.who.observe(o)
		w.noteNetwork()
	} else {
		p.fails++
	}
	w.retryJournal()
	w.proof.observe(o, w.now())
	w.settle(ctx)
	w.evaluateHealth(o)
	w.heal(ctx, o)
	w.publish()
}

// now is the slot of the wall clock; 0 before the network is known.
func (w *Watcher) now() primitives.Slot {
	if w.pair.who.spec == nil {
		return 0
	}
	return w.pair.who.spec.SlotAt(w.cfg.Now())
}

// settle applies transitions until the facts imply none.
func (w *Watcher) settle(ctx context.Context) {
	for {
		event, why, ok := w.next()
		if !ok {
			return
		}
		if err := w.machine.Fire(ctx, event, why); err != nil {
			if ctx.Err() == nil {
				w.log.WithError(err).Error("The machine refused an event")
			}
			return
		}
	}
}

// next returns the event that the facts imply in the present stage.
func (w *Watcher) next() (fsm.Event, string, bool) {
	f := w.facts()
	stage := w.machine.Stage()
	if event, why, ok := fsm.Decide(stage, f); ok {
		return event, why, true
	}
	o := w.pair.last
	if o == nil || !o.Up() || f.Paused {
		return "", "", false
	}
	switch stage {
	case fsm.HeadSyncReady:
		// gwat's state is known: the beacon node can make its call, or has made it.
		switch {
		case o.Gwat.Mark == nil:
		case o.Gwat.Syncing:
			return fsm.ReadyAccepted, fmt.Sprintf("gwat was driven to epoch %d", o.Gwat.Mark.Epoch), true
		default:
			return fsm.AlreadySynced, "gwat is in normal work", true
		}
	case fsm.HeadSync:
		switch {
		case !o.Gwat.Syncing:
			return fsm.Pushed, "the beacon node's head sync is done", true
		case !f.CheckpointReached:
			return fsm.PushFailed, f.CheckpointWhy, true
		}
	}
	return "", "", false
}

// facts returns the facts of the newest poll. A single poll without an answer does not end
// "working" (docs/decisions/0007).
func (w *Watcher) facts() fsm.Facts {
	o := w.pair.last
	if o != nil && !o.Up() && w.pair.fails < 2 && w.pair.good != nil && w.machine.Stage() == fsm.Working {
		o = w.pair.good
	}
	f := facts(o, &standing{
		spec: w.pair.who.spec, conflict: w.pair.who.conflict(), judged: w.pair.who.complete(), now: w.now(), mark: w.pair.mark,
		followed: w.proof.followed, since: w.proof.since, follows: w.proof.follows,
	})
	if pause := w.pair.pause; pause != nil {
		f.Paused, f.PauseWhy = true, orders.Asked("", pause.Reason)
	}
	return f
}

// changed is called by the machine after each step.
func (w *Watcher) changed(c fsm.Change) {
	now := w.cfg.Now()
	took := now.Sub(w.stage.at)
	w.stage = entered{at: now, reason: c.Reason}
	w.cfg.Report.Tally.Changed(c, took)
	if c.To == fsm.Switching {
		w.proof.begin(w.now())
	}
	change := status.Change{At: now, From: string(c.From), To: string(c.To), Event: string(c.Event), Reason: c.Reason}
	w.log.WithFields(logrus.Fields{"stage": c.To, "from": c.From, "event": c.Event, "after": took.Round(time.Millisecond)}).
		Infof("Stage %s: %s", c.To, c.Reason)
	w.publish()
	w.board.Changed(change)
	w.note(w.cfg.Journal.AppendChange(journal.Change(change)))
}

func (w *Watcher) noteNetwork() {
	if spec := w.pair.who.spec; spec != nil && !w.pair.who.noted {
		w.pair.who.noted = true
		w.note(w.cfg.Journal.SetNetwork(journal.NetworkOf(*spec)))
	}
}

// note records why a write of the journal failed. The pair goes on without the journal.
func (w *Watcher) note(err error) {
	w.noteJournal(err)
	if err != nil {
		w.log.WithError(err).Warn("The journal cannot be written; going on without it")
	}
}

func (w *Watcher) noteJournal(err error) {
	w.journal = ""
	if err != nil {
		w.journal = trouble(err.Error())
	}
}

// retryJournal writes what a full disk has refused, after a write that failed.
func (w *Watcher) retryJournal() {
	if w.journal != "" || w.cfg.Journal.Owes() {
		w.noteJournal(w.cfg.Journal.Retry())
	}
}

// proof counts the new heads that gwat has followed by calls of the beacon node (S5).
type proof struct {
	since    primitives.Slot // when the count began
	followed int
	last     common.Hash // the newest head that was counted
	at       primitives.Slot
	follows  bool
}

// followSlots is how many slots gwat may need to finalize what a new head finalizes.
const followSlots = 2

func (p *proof) begin(now primitives.Slot) {
	p.since, p.followed, p.at = now, 0, now
}

func (p *proof) observe(o *Observation, now primitives.Slot) {
	if !o.Up() {
		return
	}
	if o.HeadFinal != nil && *o.HeadFinal && !o.Gwat.Syncing {
		if root := o.Beacon.Head.Root; root != p.last {
			if p.last != (common.Hash{}) {
				p.followed++
			}
			p.last = root
		}
		p.at = now
	}
	p.follows = !o.Gwat.Syncing && now <= p.at+followSlots
}
