package daemon

import (
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/status"
)

// calls is what the API shows of a gate.
type calls struct{ gate *gate.Gate }

// Calls is part of api.CallSource.
func (c calls) Calls(after uint64) []status.Call {
	kept := c.gate.Calls(after)
	out := make([]status.Call, 0, len(kept))
	for i := range kept {
		out = append(out, shownCall(&kept[i]))
	}
	return out
}

// Traffic is part of api.CallSource.
func (c calls) Traffic() status.Traffic {
	s := c.gate.Status()
	return status.Traffic{Last: s.Calls, Held: s.Held, Absorbed: s.Absorbed.Count}
}

func shownCall(c *gate.Call) status.Call {
	out := status.Call{
		Seq: c.Seq, At: c.Time, Method: c.Method, Era: c.Era.String(), DurationMS: status.Milliseconds(c.Duration),
		Action: string(c.Action), Outcome: string(c.Outcome), Tries: c.Tries, Error: c.Error, Listener: c.Listener,
	}
	if c.Slot > 0 {
		slot := c.Slot
		out.Slot = &slot
	}
	return out
}
