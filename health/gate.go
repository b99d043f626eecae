package health

import (
	"fmt"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/status"
)

// GateQuietSlots is how long no call may pass the gate while the beacon's head moves: the
// beacon node calls in every slot.
const GateQuietSlots = 4

// ListSlots is how long a difference of the beacon node's list must last.
const ListSlots = 2

// Gate is what the gate between the nodes saw up to one poll.
type Gate struct {
	Calls    uint64 // that have ended
	Held     int    // that wait
	Absorbed int    // answered without gwat and not proved yet
	Since    time.Time
	Lasting  int    // of those, how many met an error that no wait repairs
	Error    string // of the last of those
	List     *List  // of the beacon node's own head sync; nil before the first
}

// List is how far the list of the beacon node's own head sync, which the gate answered,
// was compared.
type List struct {
	Entries   int    // that it has
	Malformed string // what could not be read of it; "" if nothing
	Compared  int    // with what syncd collected over REST
	Differs   int    // differences that were found
	First     []string
	Finalized int             // entries that gwat was read to have finalized
	Missing   int             // entries that gwat was read not to have finalized
	MissingAt primitives.Slot // the first of them
}

var gateRules = []rule{
	{
		Entry: Entry{Name: "gwat_behind_gate", Severity: status.SeverityWarning, Node: nodeGwat,
			Meaning: "The gate answered dag_finalize calls of the beacon node in gwat's place, to keep the beacon's chain alive, and gwat is not seen to have finalized what they named. Critical when gwat answered one with an error that no wait heals.",
			Remedy:  "Nothing while gwat starts or syncs: syncd checks each named block, and pushes what gwat lacks. If it stays, gwat is away or hangs: see gwat_unreachable, gwat_hung. If it is critical, the evidence shows gwat's error; if gwat lacks a spine that no peer has, look at its peers, then resync gwat."},
		window: polls(1), windowNote: "after such an answer", clear: polls(1), clearNote: "after gwat was read to have finalized all of it",
		needs: nobody, look: (*view).behindGate, critical: func(v *view) bool { return v.Gate != nil && v.Gate.Lasting > 0 },
	},
	{
		Entry: Entry{Name: "beacon_list_differs", Severity: status.SeverityWarning, Node: nodePair,
			Meaning: "The list that the beacon node sent in its own dag_headSync, which the gate answered without gwat, differs from what the beacon node says over REST, or names blocks that gwat has not finalized though the pair has caught up.",
			Remedy:  "First make sure that beacon.endpoint is the REST API of the beacon node whose --http-web3provider is the gate: another beacon node may have another list. If it is, the evidence names the slots: write a recording (`syncd record --out pair.bundle`) for support. What gwat lacks below the beacon's checkpoint is pushed again by `syncd resync --full --force`."},
		window: slots(ListSlots), windowNote: "of such a difference", clear: polls(1), clearNote: "after gwat has all of it, or after the beacon node's next list",
		needs: nobody, look: (*view).listDiffers,
	},
	{
		Entry: Entry{Name: "gate_unused", Severity: status.SeverityWarning, Node: nodePair,
			Meaning: "A gate is configured, both nodes answer and the beacon's head moves, but none of its calls pass the gate, and gwat does not follow.",
			Remedy:  "The beacon node calls another execution endpoint, or has no such endpoint: set its --http-web3provider to the address in gate.listen or the path in gate.socket, and restart it. Its log names the endpoint that it tries."},
		window: slots(GateQuietSlots), windowNote: "without a call", clear: polls(1), clearNote: "after a call",
		needs: both, look: func(v *view) signal { return v.quietGate(false) },
	},
	{
		Entry: Entry{Name: "gate_bypassed", Severity: status.SeverityWarning, Node: nodePair,
			Meaning: "gwat follows the beacon's head, but the calls that make it do so do not pass the gate: nothing protects the beacon's chain while gwat is away or locked, and syncd does not report working without calls that it has seen.",
			Remedy:  "Set the beacon node's --http-web3provider to the gate and restart it. If it names the gate already, it uses its --fallback-web3provider straight to gwat: restart it. To stay beside the pair instead, take gate.listen and gate.socket out of syncd's config."},
		window: slots(GateQuietSlots), windowNote: "without a call", clear: polls(1), clearNote: "after a call",
		needs: both, look: func(v *view) signal { return v.quietGate(true) },
	},
}

// gateMemory is what an Engine keeps of the gate's polls.
type gateMemory struct {
	known bool
	calls uint64
	quiet time.Duration // since when no call has passed a gate under a pair that should call
	rise  time.Duration // when gwat last rose in normal work, and not by a call of ours
}

// observe adds a poll; rose reports whether gwat's number has risen in it.
func (g *gateMemory) observe(in *Input, near, rose bool) {
	if in.Gate == nil {
		*g = gateMemory{}
		return
	}
	if !g.known || in.Gate.Calls != g.calls || in.Gate.Held > 0 || !near || in.Gwat.Reach != Answers {
		g.quiet = in.Elapsed
	}
	g.known, g.calls = true, in.Gate.Calls
	if rose && !in.Gwat.Ours && (in.Stage == fsm.Switching || in.Stage == fsm.Working) {
		g.rise = in.Elapsed
	}
}

func (v *view) behindGate() signal {
	switch {
	case v.Gate == nil:
		return unmeasured
	case v.Gate.Absorbed == 0:
		return healthy
	}
	said := fmt.Sprintf("answered without gwat since %[2]s: %[1]s", counted.Of(v.Gate.Absorbed, "call"), v.Gate.Since.UTC().Format(time.RFC3339))
	why := ""
	if v.Gate.Error != "" {
		why = "the last of them: " + v.Gate.Error
	}
	if v.Gate.Lasting > 0 {
		return shows(said, fmt.Sprintf("%d of them met an error that no wait heals", v.Gate.Lasting), why)
	}
	return shows(said, why)
}

// listDiffers evaluates the comparison of the beacon node's list.
func (v *view) listDiffers() signal {
	switch {
	case v.Gate == nil:
		return unmeasured
	case v.Gate.List == nil:
		return healthy
	}
	l := v.Gate.List
	said := []string{fmt.Sprintf("the list has %s; compared with REST: %d, finalized by gwat: %d", counted.Of(l.Entries, "entry"), l.Compared, l.Finalized)}
	if l.Malformed != "" {
		said = append(said, "it cannot be read to its end: "+l.Malformed)
	}
	if l.Differs > 0 {
		said = append(append(said, counted.Of(l.Differs, "difference")+" from REST"), l.First...)
	}
	if l.Missing > 0 {
		said = append(said, fmt.Sprintf("gwat has not finalized %d of its entries, the first of slot %d", l.Missing, l.MissingAt))
	}
	if len(said) == 1 {
		return healthy
	}
	return shows(said...)
}

// quietGate evaluates a gate without calls. If follows is set, it looks for a gwat that
// advances in normal work all the same, else for one that lacks what the head asks for.
func (v *view) quietGate(follows bool) signal {
	g, m := &v.mem.gate, v.mem
	if v.Gate == nil || v.Gwat.Number == nil || !v.Beacon.Known {
		return unmeasured
	}
	quiet := m.now - g.quiet
	if quiet < GateQuietSlots*m.slot() {
		return healthy
	}
	if rises := g.rise > g.quiet; m.headSince <= g.quiet || v.headStalled() || rises != follows || !follows && !m.open {
		return unmeasured
	}
	said := fmt.Sprintf("no call has passed the gate for %s", counted.Of(quiet/m.slot(), "slot"))
	if follows {
		return shows(said, fmt.Sprintf("gwat has finalized block %d of slot %d meanwhile", *v.Gwat.Number, v.Gwat.Slot)).from(g.quiet)
	}
	return shows(said, fmt.Sprintf("the beacon's head went on to slot %d, gwat's last finalized block is of slot %d", v.Beacon.Head, v.Gwat.Slot)).from(g.quiet)
}
