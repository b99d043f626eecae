package guard

import (
	"errors"
	"sync/atomic"

	"github.com/gwatsync/syncd/failure"
)

// ErrNoPermit: a call that changes gwat was made by somebody who was given no Permit.
var ErrNoPermit = failure.WithKind(failure.Abort, errors.New("no permit to change gwat"))

// Guard decides who may change gwat. Set is called by the loop, everything else by anybody.
type Guard struct {
	observe bool
	reason  atomic.Pointer[string]
}

// New returns the guard of a pair; one that only observes issues no Permit.
func New(observe bool) *Guard {
	g := &Guard{observe: observe}
	g.Set("")
	return g
}

// Set says why nothing may be sent from now on; "" if it may.
func (g *Guard) Set(reason string) { g.reason.Store(&reason) }

// Permit issues the right to change gwat: the zero Permit to an observer.
func (g *Guard) Permit() Permit {
	if g.observe {
		return Permit{}
	}
	return Permit{g}
}

// Permit is the right to make calls that change gwat. The zero Permit is no right; it
// is what observers, collectors and recorders have.
type Permit struct{ guard *Guard }

// Issued reports whether a guard has issued it.
func (p Permit) Issued() bool { return p.guard != nil }

// Inhibit returns why nothing may be begun now; "" if it may. What was begun is
// brought to its end all the same: a lock that was taken is used or given back.
func (p Permit) Inhibit() string {
	if p.guard == nil {
		return "no permit to change gwat was issued"
	}
	return *p.guard.reason.Load()
}
