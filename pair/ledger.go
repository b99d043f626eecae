package pair

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/checkpoint"
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
	written   bool // pending stands in the journal (S1)
	sending   bool // pending may have been sent: until it is written down it is not
	touched   time.Time
	confirmed *checkpoint.Confirmed
	trouble   string // why the last write failed; "" if it did not
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
	return l
}

// writing takes the disk until the function it gives is called.
func (l *ledger) writing() func() {
	l.disk <- struct{}{}
	return func() { <-l.disk }
}

func (l *ledger) SetPending(p checkpoint.Pending) {
	defer l.writing()()
	l.set(func() { l.sending, l.pending, l.written = l.sending && l.pending != nil, &p, false })
	err := l.journal.SetPending(p)
	l.note("pending call", err)
	l.set(func() { l.sending, l.written, l.touched = true, err == nil, l.now() })
}

func (l *ledger) ClearPending() {
	defer l.writing()()
	l.set(l.forgetPending)
	l.note("pending call", l.journal.ClearPending())
}

func (l *ledger) forgetPending() {
	l.pending, l.written, l.touched = nil, false, l.now()
}

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

func (l *ledger) note(what string, err error) {
	if err != nil {
		l.log.WithError(err).Warnf("The journal does not take the %s; going on without it", what)
	}
	l.setTrouble(err)
}

func (l *ledger) setTrouble(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = text(err)
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
