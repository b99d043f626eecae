package gate

import "github.com/gwatsync/syncd/checkpoint"

// Era is the generation of the protocol between beacon node and gwat.
type Era int

// The eras.
const (
	EraUnknown     Era = iota // not known yet: the shape of a call decides
	EraHeadSync               // gwat of 2022-09 to 2023-04
	EraCoordinated            // gwat since 2023-04
)

var eraNames = [...]string{"unknown", "head-sync", "coordinated"}

func (e Era) String() string { return eraNames[e] }

// MarshalText returns the name of the era.
func (e Era) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

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
	Era   Era
	State State
	// Spec is the beacon node's clock; the zero value if it is not known. Calls
	// that name no slot are recorded with the slot of the clock.
	Spec checkpoint.Spec
}

// SetView publishes v. It never blocks.
func (g *Gate) SetView(v View) { g.view.Store(&v) }

// View returns the view in force.
func (g *Gate) View() View { return *g.view.Load() }
