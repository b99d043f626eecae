package faults

import "github.com/gwatsync/syncd/fsm"

// Links are the connections of a pair that a proxy of the tests stands in.
const (
	LinkGwat   = "syncd-gwat"
	LinkBeacon = "syncd-beacon"
	LinkPair   = "beacon-gwat"
)

// Links lists them.
func Links() []string { return []string{LinkGwat, LinkBeacon, LinkPair} }

// Processes lists the three programs of a pair.
func Processes() []string { return []string{"gwat", "beacon", "syncd"} }

// Stages are those a fault begins in: all that the pair walks by itself.
func Stages() []string {
	var out []string
	for _, s := range fsm.Stages() {
		if s != fsm.Paused && s != fsm.Halted {
			out = append(out, string(s))
		}
	}
	return out
}

// Toxic is one way in which a proxy spoils a connection.
type Toxic struct {
	Name   string
	Spoils []Spoil // in toxiproxy's own terms; none: the proxy is down
	// Severs tells that no whole answer comes through while it lasts.
	Severs bool
	// KillsNode tells that the node behind the link is killed as it begins and
	// started again as it ends: what shows is how its end reaches the caller.
	KillsNode bool
}

// Spoil is one toxic of the toxiproxy library on one direction of a link.
type Spoil struct {
	Type       string           `json:"type"`
	Stream     string           `json:"stream"` // "upstream": requests, "downstream": answers
	Attributes map[string]int64 `json:"attributes"`
}

// OnRequests is the toxic with its directions turned: between the nodes a lost
// request is what syncd can see, for gwat does not wait for who asked it.
func (t Toxic) OnRequests() Toxic {
	turned := make([]Spoil, len(t.Spoils))
	for i, s := range t.Spoils {
		turned[i] = s
		turned[i].Stream = map[string]string{"upstream": "downstream", "downstream": "upstream"}[s.Stream]
	}
	t.Spoils = turned
	return t
}

// Toxics lists all of them. They bite on purpose below and beside the call
// timeout of a second that the tests give syncd.
func Toxics() []Toxic {
	answers := func(kind string, attributes map[string]int64) []Spoil {
		return []Spoil{{Type: kind, Stream: "downstream", Attributes: attributes}}
	}
	return []Toxic{
		{Name: "latency", Spoils: answers("latency", map[string]int64{"latency": 90, "jitter": 60})}, // ms
		{Name: "bandwidth", Spoils: []Spoil{
			{Type: "bandwidth", Stream: "upstream", Attributes: map[string]int64{"rate": 16}}, // KB/s
			{Type: "bandwidth", Stream: "downstream", Attributes: map[string]int64{"rate": 32}},
		}},
		{Name: "slow_close", Spoils: answers("slow_close", map[string]int64{"delay": 3000}), Severs: true, KillsNode: true},
		{Name: "timeout", Spoils: answers("timeout", map[string]int64{"timeout": 0}), Severs: true}, // 0: silent until it ends
		{Name: "reset_peer", Spoils: answers("reset_peer", map[string]int64{"timeout": 0}), Severs: true},
		{Name: "limit_data", Spoils: answers("limit_data", map[string]int64{"bytes": 200}), Severs: true}, // cuts in mid-answer
		{Name: "down", Severs: true},
	}
}
