package pair

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/journal"
)

// ledger keeps what is pending and confirmed in memory and in the journal. A
// journal that cannot be written does not stop the pair: it is only a hint, and
// without it a restarted syncd waits for gwat's lock instead of taking over.
type ledger struct {
	journal *journal.Journal
	log     logrus.FieldLogger
	now     func() time.Time

	// disk holds one token and keeps the journal's writes in order; it is never
	// held with mu. A channel, as who waits for a slow disk must not hold up a fake clock.
	disk chan struct{}

	mu        sync.Mutex
	pending   *checkpoint.Pending
	sender    uint64 // the attempt that answers for pending; 0 if it is of an earlier process
	written   bool   // pending stands in the journal (S1)
	sending   bool   // pending may have been sent: until it is written down it is not
	touched   time.Time
	confirmed *checkpoint.Confirmed
	pause     *journal.Pause // the operator's; nil if there is none
	trouble   string         // why the last write failed; "" if it did not
}

func openLedger(j *journal.Journal, log logrus.FieldLogger, now func() time.Time) *ledger {
	l := &ledger{journal: j, log: log, now: now, disk: make(chan struct{}, 1)}
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

// ledgerOf is the ledger as one attempt writes it: what it sends is its own.
type ledgerOf struct {
	*ledger
	attempt uint64
}

func (l ledgerOf) SetPending(p checkpoint.Pending) { l.ledger.SetPending(p, l.attempt) }

// writing takes the disk until the function it gives is called.
func (l *ledger) writing() func() {
	l.disk <- struct{}{}
	return func() { <-l.disk }
}

// SetPending notes a call that an attempt is about to send.
func (l *ledger) SetPending(p checkpoint.Pending, attempt uint64) {
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

func (l *ledger) ClearPending() {
	defer l.writing()()
	l.set(l.forgetPending)
	l.note("pending call", l.journal.ClearPending())
}

func (l *ledger) forgetPending() {
	l.pending, l.sender, l.written, l.touched = nil, 0, false, l.now()
}

// Left returns the pending call if nobody waits for its answer any more: it is not
// one of the running attempt's (0 if none runs). nil if there is no such call.
func (l *ledger) Left(running uint64) *checkpoint.Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil || running != 0 && l.sender == running {
		return nil
	}
	return l.pending
}

// Adopt makes an attempt answer for the pending call: it takes over the ready in force.
func (l *ledger) Adopt(attempt uint64) { l.set(func() { l.sender = attempt }) }

func (l *ledger) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// Takeable is the pending ready if it may be taken over: it was written down
// before it was sent (S1).
func (l *ledger) Takeable() *checkpoint.Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil || !l.written || l.pending.Call != checkpoint.CallReady {
		return nil
	}
	return l.pending
}

// Busy tells whether a call of ours was open at some time since then.
func (l *ledger) Busy(since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending != nil && l.sending || l.touched.After(since)
}

// SetNetwork names the network; what was kept of another one is gone.
func (l *ledger) SetNetwork(n journal.Network) {
	defer l.writing()()
	l.note("network", l.journal.SetNetwork(n))
	if confirmed, err := l.journal.Confirmed(); err == nil && confirmed == nil {
		l.setConfirmed(nil)
	}
	if pending, err := l.journal.Pending(); err == nil && pending == nil && l.Takeable() != nil {
		l.set(l.forgetPending)
	}
}

func (l *ledger) Pending() *checkpoint.Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending
}

func (l *ledger) SetConfirmed(c checkpoint.Confirmed) {
	defer l.writing()()
	l.setConfirmed(&c)
	l.note("confirmed entry", l.journal.SetConfirmed(c))
}

func (l *ledger) ClearConfirmed() {
	defer l.writing()()
	l.setConfirmed(nil)
	l.note("confirmed entry", l.journal.ClearConfirmed())
}

func (l *ledger) setConfirmed(c *checkpoint.Confirmed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed = c
}

func (l *ledger) Confirmed() *checkpoint.Confirmed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.confirmed
}

// Pause returns the operator's pause; nil if there is none.
func (l *ledger) Pause() *journal.Pause {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pause
}

// SetPause begins a pause, or ends it with nil; KeepPause writes it down.
func (l *ledger) SetPause(p *journal.Pause) { l.set(func() { l.pause = p }) }

// KeepPause makes the pause, or its end, outlast a restart.
func (l *ledger) KeepPause() {
	defer l.writing()()
	if p := l.Pause(); p != nil {
		l.note("pause", l.journal.SetPause(*p))
		return
	}
	l.note("pause", l.journal.ClearPause())
}

// Retry writes what a full disk may have refused, after a write that failed.
func (l *ledger) Retry(network journal.Network) {
	if l.Trouble() == "" {
		return
	}
	l.SetNetwork(network)
	if l.Trouble() == "" {
		l.KeepPause()
	}
}

func (l *ledger) note(what string, err error) {
	if err != nil {
		l.log.WithError(err).Warnf("The journal does not take the %s; going on without it", what)
	}
	l.setTrouble(err)
}

func (l *ledger) setTrouble(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = failure.Message(err)
}

// Trouble tells why the journal's last write failed; "" if it did not.
func (l *ledger) Trouble() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble
}

// journalNetwork is the network as the journal keeps it; the identity is known.
func (p *Pair) journalNetwork() journal.Network {
	return journal.Network{ChainID: p.identity.Spec.DepositChainID, GenesisTime: p.identity.Spec.GenesisTime}
}
