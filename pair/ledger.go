package pair

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
)

// ledger keeps what is pending and confirmed in memory and in the journal. A
// journal that cannot be written does not stop the pair: it is only a hint, and
// without it a restarted syncd waits for gwat's lock instead of taking over.
type ledger struct {
	journal *journal.Journal
	log     logrus.FieldLogger

	disk sync.Mutex // keeps the journal's writes in order; never held with mu

	mu        sync.Mutex
	pending   *journal.Pending
	written   bool // pending stands in the journal (S1)
	touched   time.Time
	confirmed *status.Confirmed
}

func openLedger(j *journal.Journal, log logrus.FieldLogger) *ledger {
	l := &ledger{journal: j, log: log}
	var err error
	if l.pending, err = j.Pending(); err != nil {
		log.WithError(err).Warn("The journal's pending call cannot be read; going on without it")
	}
	l.written = l.pending != nil
	if now := time.Now(); l.written && l.pending.SentAt.After(now) {
		l.pending.SentAt = now // the clock was set back since
	}
	if l.confirmed, err = j.Confirmed(); err != nil {
		log.WithError(err).Warn("The journal's confirmed entry cannot be read; going on without it")
	}
	return l
}

func (l *ledger) SetPending(p journal.Pending) {
	l.disk.Lock()
	defer l.disk.Unlock()
	l.setPending(&p, false)
	err := l.journal.SetPending(p)
	l.note("pending call", err)
	l.setPending(&p, err == nil)
}

func (l *ledger) ClearPending() {
	l.disk.Lock()
	defer l.disk.Unlock()
	l.setPending(nil, false)
	l.note("pending call", l.journal.ClearPending())
}

func (l *ledger) setPending(p *journal.Pending, written bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending, l.written, l.touched = p, written, time.Now()
}

// Takeable is the pending ready if it may be taken over: it was written down
// before it was sent (S1).
func (l *ledger) Takeable() *journal.Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil || !l.written || l.pending.Call != journal.CallReady {
		return nil
	}
	return l.pending
}

// Busy tells whether a call of ours was open at some time since then.
func (l *ledger) Busy(since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending != nil || l.touched.After(since)
}

// SetNetwork names the network; what was kept of another one is gone.
func (l *ledger) SetNetwork(n status.Network) {
	l.disk.Lock()
	defer l.disk.Unlock()
	l.note("network", l.journal.SetNetwork(n))
	if confirmed, err := l.journal.Confirmed(); err == nil && confirmed == nil {
		l.setConfirmed(nil)
	}
	if pending, err := l.journal.Pending(); err == nil && pending == nil && l.Takeable() != nil {
		l.setPending(nil, false)
	}
}

func (l *ledger) Pending() *journal.Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending
}

func (l *ledger) SetConfirmed(c status.Confirmed) {
	l.disk.Lock()
	defer l.disk.Unlock()
	l.setConfirmed(&c)
	l.note("confirmed entry", l.journal.SetConfirmed(c))
}

func (l *ledger) ClearConfirmed() {
	l.disk.Lock()
	defer l.disk.Unlock()
	l.setConfirmed(nil)
	l.note("confirmed entry", l.journal.ClearConfirmed())
}

func (l *ledger) setConfirmed(c *status.Confirmed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed = c
}

func (l *ledger) Confirmed() *status.Confirmed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.confirmed
}

func (l *ledger) note(what string, err error) {
	if err != nil {
		l.log.WithError(err).Warnf("The journal does not take the %s; going on without it", what)
	}
}
