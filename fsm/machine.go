package fsm

import (
	"context"
	"errors"
	"fmt"

	"github.com/looplab/fsm"
)

// ErrIllegal is the error of an event for which the table has no row in the current stage.
var ErrIllegal = errors.New("illegal event")

// Change is one step the machine took.
type Change struct {
	From, To Stage
	Event    Event
	Reason   string
}

// Machine wraps looplab/fsm. One goroutine owns it. Others read the owner's snapshots and
// never the machine.
type Machine struct {
	m        *fsm.FSM
	onChange func(Change)
}

// New starts a machine in Connecting. onChange is called in the owner's
// goroutine after each step and must not fire events itself.
func New(onChange func(Change)) *Machine {
	m := &Machine{onChange: onChange}
	m.m = fsm.NewFSM(string(Connecting), events(), m.callbacks())
	return m
}

func events() fsm.Events {
	var out fsm.Events
	for _, t := range Table() {
		src := make([]string, len(t.From))
		for i, s := range t.From {
			src[i] = string(s)
		}
		out = append(out, fsm.EventDesc{Name: string(t.Event), Src: src, Dst: string(t.To)})
	}
	return out
}

// callbacks only record: no work is started inside the machine, since the
// context it hands out ends with the event.
func (m *Machine) callbacks() fsm.Callbacks {
	return fsm.Callbacks{
		"enter_state": func(_ context.Context, e *fsm.Event) {
			reason, _ := e.Args[0].(string)
			if m.onChange != nil {
				m.onChange(Change{From: Stage(e.Src), To: Stage(e.Dst), Event: Event(e.Event), Reason: reason})
			}
		},
	}
}

// Stage is the current stage.
func (m *Machine) Stage() Stage { return Stage(m.m.Current()) }

// Can reports whether the table has a row for the event in the current stage.
func (m *Machine) Can(ev Event) bool { return m.m.Can(string(ev)) }

// Fire takes the step for an event. With a cancelled ctx nothing happens and
// its error is returned; an event the table does not have here is ErrIllegal.
func (m *Machine) Fire(ctx context.Context, ev Event, reason string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// looplab/fsm is wedged for good by a context cancelled in mid-event.
	err := m.m.Event(context.WithoutCancel(ctx), string(ev), reason)
	if err != nil {
		return fmt.Errorf("%w: %s in stage %s: %w", ErrIllegal, ev, m.Stage(), err)
	}
	return nil
}
