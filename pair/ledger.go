package pair

import (
	"sync"

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

	mu        sync.Mutex
	pending   *journal.Pending
	confirmed *status.Confirmed
}

func openLedger(j *journal.Journal, log logrus.FieldLogger) *ledger {
	l := &ledger{journal: j, log: log}
	var err error
	if l.pending, err = j.Pending(); err != nil {
		log.WithError(err).Warn("The journal's pending call cannot be read; going on without it")
	}
	if l.confirmed, err = j.Confirmed(); err != nil {
		log.WithError(err).Warn("The journal's confirmed entry cannot be read; going on without it")
	}
	return l
}

func (l *ledger) SetPending(p journal.Pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = &p
	l.note("pending call", l.journal.SetPending(p))
}

func (l *ledger) ClearPending() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = nil
	l.note("pending call", l.journal.ClearPending())
}

func (l *ledger) Pending() *journal.Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending
}

func (l *ledger) SetConfirmed(c status.Confirmed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed = &c
	l.note("confirmed entry", l.journal.SetConfirmed(c))
}

func (l *ledger) ClearConfirmed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed = nil
	l.note("confirmed entry", l.journal.ClearConfirmed())
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
