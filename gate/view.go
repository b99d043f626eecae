package gate

import "github.com/gwatsync/syncd/checkpoint"

// State is what syncd does with the pair, as far as the gate's policy needs it.
type State int

// The states.
const (
	// StateSyncing: syncd drives the pair to normal work. It is also the state
	// before the first view.
	StateSyncing State = iota
	// StateWorking: the pair is verified as working.
	StateWorking
	// StateHandsOff: paused, observing, or another syncd has the claim.
	// Everything is forwarded.
	StateHandsOff
)

var stateNames = [...]string{"syncing", "working", "hands off"}

func (s State) String() string { return stateNames[s] }

// View is what the control loop publishes after each turn. It is immutable.
type View struct {
	Era   checkpoint.Era
	State State
	// Spec is the beacon node's clock; the zero value if it is not known. Calls
	// that name no slot are recorded with the slot of the clock.
	Spec checkpoint.Spec
}

// SetView publishes v. It never blocks.
func (g *Gate) SetView(v View) { g.view.Store(&v) }

// View returns the view in force.
func (g *Gate) View() View { return *g.view.Load() }
