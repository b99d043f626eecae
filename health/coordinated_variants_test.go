package health

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/section"
)

// recordedIncident is an incident of a recorded pair. Times are seconds after genesis.
type recordedIncident struct {
	id, what string
	pair     int
	from, to float64 // when it began, and when its cause ended
	finding  string
	told     float64 // the finding is reported within so many seconds of polls one second apart
	gone     float64 // and gone so many seconds after its cause has ended
	short    bool    // it is over before every interval of polls can see it
}

// recordedIncidents are all that was done to the recorded pairs, in the order of their
// beginning. What the marks of the recordings do not date is dated by the polls.
var recordedIncidents = []recordedIncident{
	{id: "A1", what: "gwat stopped for 43 s", pair: 3, from: 147.9, to: 191, finding: "gwat_hung", told: 6, gone: 4},
	{id: "B0", what: "gwat killed, started with peers", pair: 3, from: 229.6, to: 235.7, finding: "gwat_unreachable", told: 4, gone: 4, short: true},
	{id: "A2", what: "the beacon node stopped for 112 s", pair: 3, from: 296.8, to: 408.8, finding: "beacon_hung", told: 6, gone: 4},
	{id: "A2", what: "it goes on by a block of its own", pair: 3, from: 426.4, to: 483, finding: "private_fork", told: 4, gone: 4},
	{id: "C1", what: "gwat starts alone", pair: 4, from: 493, to: 548.9, finding: "beacon_unreachable", told: 4, gone: 5},
	{id: "A2'", what: "gwat refuses every block of the network", pair: 3, from: 490.5, to: 628.4, finding: "gwat_wedged", told: 33, gone: 4},
	{id: "A2b", what: "gwat restarted, the beacon node makes no call", pair: 3, from: 628.4, to: 672.1, finding: "beacon_silent", told: 18, gone: 4},
	{id: "A3", what: "the beacon node restarted", pair: 3, from: 728.6, to: 731.6, finding: "beacon_unreachable", told: 4, gone: 4, short: true},
	{id: "S", what: "blocks missed, 66 slots behind", pair: 3, from: 770, to: 978, finding: "sawtooth", told: 30, gone: 4},
	{id: "B1", what: "gwat killed, started with peers", pair: 4, from: 787.8, to: 793.5, finding: "gwat_unreachable", told: 4, gone: 5, short: true},
	{id: "B2", what: "gwat restarted without peers", pair: 4, from: 830, to: 862.3, finding: "no_peers_loop", told: 20, gone: 4},
	{id: "B2", what: "finalized by hand, still without peers", pair: 4, from: 864, to: 888.6, finding: "no_peers_loop", told: 16, gone: 5},
	{id: "B7", what: "gwat dead for 123 s", pair: 3, from: 1234, to: 1357, finding: "gwat_unreachable", told: 5, gone: 5},
	{id: "B7", what: "then it waits for a call that does not come", pair: 3, from: 1357, to: 1410, finding: "beacon_silent", told: 18, gone: 4},
}

// expected are the findings that an incident may bring, and for how long around it.
var expected = []struct {
	pair     int
	from, to float64
	findings []string
}{
	{3, 145, 200, []string{"gwat_hung", "duties_at_risk"}},
	{3, 228, 245, []string{"gwat_unreachable", "gwat_restart_rollback", "duties_at_risk"}},
	{3, 295, 425, []string{"beacon_hung", "sawtooth"}},
	{3, 393, 495, []string{"sawtooth", "private_fork", "duties_at_risk"}}, // gwat has had no call for 32 slots
	{3, 493, 640, []string{"duties_at_risk", "gwat_wedged"}},
	{3, 628, 690, []string{"gwat_unreachable", "gwat_restart_rollback", "beacon_silent", "duties_at_risk"}},
	{3, 676, 745, []string{"sawtooth", "private_fork", "beacon_unreachable"}},
	{3, 770, 1240, []string{"sawtooth", "duties_at_risk"}},
	{3, 1234, 1430, []string{"gwat_unreachable", "gwat_restart_rollback", "beacon_silent", "duties_at_risk", "sawtooth"}},
	{3, 1415, 1700, []string{"sawtooth"}},
	{4, 490, 575, []string{"beacon_unreachable"}},
	{4, 787, 810, []string{"gwat_unreachable", "gwat_restart_rollback", "duties_at_risk"}},
	{4, 829, 910, []string{"gwat_unreachable", "gwat_restart_rollback", "duties_at_risk", "no_peers_loop"}},
}

// variant is another recording of the same pairs.
type variant struct {
	name    string
	change  func(*recording)
	scale   float64 // of its time, beside the recording's
	shifted float64 // seconds later
	late    float64 // how many times as long a finding may take, beside its seconds
	coarse  bool    // what is short may pass unseen
}

func variants() (out []variant) {
	add := func(v variant, format string, args ...any) {
		v.name = fmt.Sprintf(format, args...)
		v.scale, v.late = max(v.scale, 1), max(v.late, 1)
		out = append(out, v)
	}
	add(variant{change: func(*recording) {}}, "as recorded")
	for _, d := range []float64{0.7, 1.5, 2.9} {
		add(variant{change: later(d), shifted: d}, "%.1f s later", d)
	}
	add(variant{change: twice}, "a poll each 0.5 s")
	for n := 2; n <= 5; n++ {
		for first := range n {
			add(variant{change: sampled(n, first), late: 1 + float64(n), coarse: true}, "each %d. poll, from the %d. on", n, first+1)
		}
	}
	for seed := range uint64(10) {
		part := 0.1 + 0.05*float64(seed)
		add(variant{change: dropped(part, seed), late: 6, coarse: true}, "%.0f of 100 polls missing, seed %d", 100*part, seed)
	}
	for _, seconds := range []uint64{4, 6, 12} {
		k := float64(seconds) / float64(liveSpec.SecondsPerSlot)
		add(variant{change: slowed(seconds), scale: k, late: k}, "slots of %d s", seconds)
	}
	for seed := range uint64(4) {
		add(variant{change: gaps(20, seed), late: 6, coarse: true}, "gaps of up to 20 s, seed %d", seed)
	}
	for _, seconds := range []uint64{4, 6, 12} {
		k := float64(seconds) / float64(liveSpec.SecondsPerSlot)
		change := func(r *recording) { slowed(seconds)(r); sampled(5, 1)(r); overAuthRPC(r) }
		add(variant{change: change, scale: k, late: 2*k + 5, coarse: true}, "slots of %d s, each 5. poll, over authrpc", seconds)
	}
	add(variant{change: epochsOf(16, 6), late: 3}, "16 slots of 6 s an epoch")
	add(variant{change: epochsOf(24, 4), late: 2}, "24 slots of 4 s an epoch")
	add(variant{change: epochsOf(48, 2)}, "48 slots of 2 s an epoch")
	add(variant{change: overAuthRPC, late: 2}, "over authrpc")
	return out
}

func later(seconds float64) func(*recording) {
	return func(r *recording) {
		for i := range r.polls {
			r.polls[i].At += seconds
		}
	}
}

func twice(r *recording) {
	var out []livePoll
	for _, p := range r.polls {
		again := p
		again.At += 0.5
		out = append(out, p, again)
	}
	r.polls, r.every = out, 500*time.Millisecond
}

func sampled(n, first int) func(*recording) {
	return func(r *recording) {
		var out []livePoll
		for i := first; i < len(r.polls); i += n {
			out = append(out, r.polls[i])
		}
		r.polls, r.every = out, time.Duration(n)*time.Second
	}
}

func dropped(part float64, seed uint64) func(*recording) {
	return func(r *recording) {
		random := rand.New(rand.NewPCG(seed, 0))
		r.polls = slices.DeleteFunc(r.polls, func(livePoll) bool { return random.Float64() < part })
	}
}

func slowed(seconds uint64) func(*recording) {
	return func(r *recording) {
		stretched(r, float64(seconds)/float64(r.spec.SecondsPerSlot))
		r.spec.SecondsPerSlot = seconds
	}
}

func stretched(r *recording, k float64) {
	genesis := float64(r.spec.GenesisTime)
	for i := range r.polls {
		r.polls[i].At = genesis + k*(r.polls[i].At-genesis)
	}
	r.every = time.Duration(k * float64(r.every))
}

// epochsOf makes a network of it whose epochs take as long, but have other slots.
func epochsOf(slots primitives.Slot, seconds uint64) func(*recording) {
	return func(r *recording) {
		was := primitives.Slot(r.spec.SlotsPerEpoch)
		r.spec.SlotsPerEpoch, r.spec.SecondsPerSlot = uint64(slots), seconds
		for i := range r.polls {
			p := &r.polls[i]
			clock := (p.Head + p.Distance) * slots / was
			p.Head, p.Slot = p.Head*slots/was, p.Slot*slots/was
			p.Distance = clock - p.Head
		}
	}
}

func overAuthRPC(r *recording) {
	for i := range r.polls {
		r.polls[i].Peers = nil
	}
}

var update = flag.Bool("update", false, "write the generated documents again")

// The table of recorded incidents in docs/operating.md has the times of the replay;
// -update writes it.
func TestRecordedIncidentsDocument(t *testing.T) {
	const path, begin, end = "../docs/operating.md", "<!-- recorded incidents -->\n", "<!-- /recorded incidents -->"
	var table strings.Builder
	table.WriteString("| id | pair | incident | finding | reported after | gone after its cause |\n|---|---|---|---|---|---|\n")
	changes := map[int][]change{3: recordingOf(t, 3).replay(t), 4: recordingOf(t, 4).replay(t)}
	for _, i := range recordedIncidents {
		told, gone := stands(changes[i.pair], i)
		fmt.Fprintf(&table, "| %s | %d | %s | [`%s`](#%s) | %.0f s | %.0f s |\n", i.id, i.pair, i.what, i.finding, i.finding, told-i.from, gone-i.to)
	}
	section.Require(t, path, begin, end, table.String(), *update)
}

// However the recorded pairs are polled, each incident is reported by its name in time and is
// gone after it, and nothing else is reported.
func TestVariantsOfTheRecordings(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			for _, pair := range []int{1, 3, 4} {
				r := recordingOf(t, pair)
				v.change(r)
				changes := r.replay(t)
				for i := range changes {
					changes[i].at = (changes[i].at - v.shifted) / v.scale
				}
				for _, i := range recordedIncidents {
					if i.pair != pair || i.short && v.coarse {
						continue
					}
					told, gone := stands(changes, i)
					require.LessOrEqual(t, told, i.from+i.told*v.late, "%s: %s told: %v", i.id, i.finding, changes)
					require.LessOrEqual(t, gone, i.to+i.gone*v.late, "%s: %s gone: %v", i.id, i.finding, changes)
				}
				requireExpected(t, pair, v, changes)
			}
		})
	}
}

// stands returns when the finding of an incident was reported and when it was gone.
func stands(changes []change, i recordedIncident) (told, gone float64) {
	told, gone = math.Inf(1), math.Inf(1)
	for _, c := range changes {
		switch {
		case c.at < i.from:
		case c.what == "+ "+i.finding && told > c.at:
			told = c.at
		case c.what == "- "+i.finding && told <= c.at && gone > c.at:
			gone = c.at
		}
	}
	return told, gone
}

func requireExpected(t *testing.T, pair int, v variant, changes []change) {
	t.Helper()
	slack := 4 * v.late
	for _, c := range changes {
		found := slices.ContainsFunc(expected, func(e struct {
			pair     int
			from, to float64
			findings []string
		}) bool {
			return e.pair == pair && c.at >= e.from && c.at <= e.to+slack && slices.Contains(e.findings, c.what[2:])
		})
		require.True(t, found, "%.1f s: %s is reported without cause: %v", c.at, c.what, changes)
	}
}
