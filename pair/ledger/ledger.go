package ledger

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/journal"
)

// Ledger keeps what is pending and confirmed in memory and in the journal. A
// journal that cannot be written does not stop the pair: it is only a hint, and
// without it a restarted syncd waits for gwat's lock instead of taking over.
type Ledger struct {
	journal *journal.Journal
	log     logrus.FieldLogger
	now     func() time.Time

	// disk holds one token and keeps the journal's writes in order; it is never
	// held with mu. A channel, as who waits for a slow disk must not hold up a fake clock.
	disk chan struct{}

	mu        sync.Mutex
	pending   *checkpoint.Pending
	sender    uint64 // the attempt that answers for pending; 0 if it is of an earlier process
	written   bool   // pending is in the journal (S1)
	sending   bool   // pending may have been sent: until it is written down it is not
	touched   time.Time
	confirmed *checkpoint.Confirmed
	pause     *journal.Pause // the operator's; nil if there is none
	trouble   string         // why the last write failed; "" if it did not
}

// Open returns the ledger with what an earlier process left in the journal. Times that
// lie in the future become now: the clock was set back since.
func Open(j *journal.Journal, log logrus.FieldLogger, now func() time.Time) *Ledger {
	l := &Ledger{journal: j, log: log, now: now, disk: make(chan struct{}, 1)}
	var err error
	if l.pending, err = j.Pending(); err != nil {
		log.WithError(err).Warn("The journal's pending call cannot be read; going on without it")
	}
	l.written = l.pending != nil
	l.sending = l.written
	if at := now(); l.written && l.pending.SentAt.After(at) {
		l.pending.SentAt = at // the clock was set back since
	}
	if l.confirmed, err = j.Confirmed(); err != nil {
		log.WithError(err).Warn("The journal's confirmed entry cannot be read; going on without it")
	}
	if l.pause, err = j.Pause(); err != nil {
		log.WithError(err).Warn("The journal's pause cannot be read; going on without it")
	}
	if at := now(); l.confirmed != nil && l.confirmed.At.After(at) {
		l.confirmed.At = at
	}
	return l
}

// ofAttempt is the ledger as one attempt writes it: what it sends is its own.
type ofAttempt struct {
	*Ledger
	attempt uint64
}

func (l ofAttempt) SetPending(p checkpoint.Pending) { l.Ledger.SetPending(p, l.attempt) }

// For returns the ledger as one attempt writes it.
func (l *Ledger) For(attempt uint64) headsync.Ledger { return ofAttempt{l, attempt} }

// writing takes the disk until the function that it returns is called.
func (l *Ledger) writing() func() {
	l.disk <- struct{}{}
	return func() { <-l.disk }
}

// SetPending notes a call that an attempt is about to send.
func (l *Ledger) SetPending(p checkpoint.Pending, attempt uint64) {
	defer l.writing()()
	l.set(func() { l.sending, l.pending, l.sender, l.written = l.sending && l.pending != nil, &p, attempt, false })
	err := l.journal.SetPending(p)
	l.note("pending call", err)
	l.set(func() {
		sent := p
		if sent.SentAt = l.now(); sent.SentAt.Before(p.SentAt) {
			sent.SentAt = p.SentAt
		}
		l.pending, l.sending, l.written, l.touched = &sent, true, err == nil, l.now()
	})
}

// ClearPending forgets the call: it is over.
func (l *Ledger) ClearPending() {
	defer l.writing()()
	l.set(l.forgetPending)
	l.note("pending call", l.journal.ClearPending())
}

func (l *Ledger) forgetPending() {
	l.pending, l.sender, l.written, l.touched = nil, 0, false, l.now()
}

// Left returns the pending call if nobody waits for its answer any more: it is not
// one of the running attempt's (0 if none runs). nil if there is no such call.
func (l *Ledger) Left(running uint64) *checkpoint.Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil || running != 0 && l.sender == running {
		return nil
	}
	return l.pending
}

// Adopt makes an attempt answer for the pending call: it takes over the ready in force.
func (l *Ledger) Adopt(attempt uint64) { l.set(func() { l.sender = attempt }) }

func (l *Ledger) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// Takeable returns the pending ready if it may be taken over: it was written down
// before it was sent (S1).
func (l *Ledger) Takeable() *checkpoint.Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil || !l.written || l.pending.Call != checkpoint.CallReady {
		return nil
	}
	return l.pending
}

// Busy reports whether a call of ours was open at some time since then.
func (l *Ledger) Busy(since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending != nil && l.sending || l.touched.After(since)
}

// SetNetwork names the network; what was kept of another one is gone.
func (l *Ledger) SetNetwork(n journal.Network) {
	defer l.writing()()
	l.note("network", l.journal.SetNetwork(n))
	if confirmed, err := l.journal.Confirmed(); err == nil && confirmed == nil {
		l.setConfirmed(nil)
	}
	if pending, err := l.journal.Pending(); err == nil && pending == nil && l.Takeable() != nil {
		l.set(l.forgetPending)
	}
}

// Pending returns the call that may still be carried out; nil if there is none.
func (l *Ledger) Pending() *checkpoint.Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending
}

// SetConfirmed notes the newest entry whose blocks were read to be final (S7).
func (l *Ledger) SetConfirmed(c checkpoint.Confirmed) {
	defer l.writing()()
	l.setConfirmed(&c)
	l.note("confirmed entry", l.journal.SetConfirmed(c))
}

// ClearConfirmed forgets the entry: gwat no longer has it.
func (l *Ledger) ClearConfirmed() {
	defer l.writing()()
	l.setConfirmed(nil)
	l.note("confirmed entry", l.journal.ClearConfirmed())
}

func (l *Ledger) setConfirmed(c *checkpoint.Confirmed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed = c
}

// Confirmed returns the newest confirmed entry; nil if there is none.
func (l *Ledger) Confirmed() *checkpoint.Confirmed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.confirmed
}

// Pause returns the operator's pause; nil if there is none.
func (l *Ledger) Pause() *journal.Pause {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pause
}

// SetPause begins a pause, or ends it with nil; KeepPause writes it down.
func (l *Ledger) SetPause(p *journal.Pause) { l.set(func() { l.pause = p }) }

// KeepPause makes the pause, or its end, outlast a restart.
func (l *Ledger) KeepPause() {
	defer l.writing()()
	if p := l.Pause(); p != nil {
		l.note("pause", l.journal.SetPause(*p))
		return
	}
	l.note("pause", l.journal.ClearPause())
}

// Retry writes what a full disk has refused, after a write that failed.
func (l *Ledger) Retry() {
	if l.Trouble() == "" && !l.journal.Owes() {
		return
	}
	defer l.writing()()
	l.setTrouble(l.journal.Retry())
}

func (l *Ledger) note(what string, err error) {
	if err != nil {
		l.log.WithError(err).Warnf("The journal does not take the %s; going on without it", what)
	}
	l.setTrouble(err)
}

// AppendChange adds a stage change to the journal's history.
func (l *Ledger) AppendChange(c journal.Change) { l.note("stage change", l.journal.AppendChange(c)) }

func (l *Ledger) setTrouble(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = failure.Message(err)
}

// Trouble returns why the journal's last write failed; "" if it did not.
func (l *Ledger) Trouble() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble
}
