package watch

import (
	"github.com/gwatsync/syncd/checkpoint"
)

// identity is what the nodes said of themselves.
type identity struct {
	spec  *checkpoint.Spec
	chain *uint64
	noted bool // the journal has it
}

func (i *identity) observe(o *Observation) {
	if s := o.Beacon.Spec; s != nil {
		if i.spec == nil || *i.spec != *s {
			i.noted = false
		}
		i.spec = s
	}
	if o.Gwat.ChainID != nil {
		i.chain = o.Gwat.ChainID
	}
}

func (i *identity) complete() bool { return i.spec != nil && i.chain != nil }

// conflict returns why the nodes cannot be a pair; "" if they can. dag_syncSlotInfo
// is not asked: in this era it is false on good pairs too.
func (i *identity) conflict() string {
	switch {
	case !i.complete():
		return ""
	case i.spec.Era() != checkpoint.EraCoordinated:
		return "two eras: gwat is of the coordinated era, the beacon node of the head-sync era: run both nodes at versions of one network"
	}
	return i.spec.ChainConflict(*i.chain)
}
