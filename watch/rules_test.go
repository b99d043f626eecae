package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/gwatclient/guard"
	"github.com/gwatsync/syncd/internal/testworld/simnet/wire"
	"github.com/gwatsync/syncd/protocol"
)

// witness is between the heals and gwat, and holds each call to the rules of the era.
type witness struct {
	p     *simulated
	calls func(guard.Permit) Changes
	spoil func(w *witness, f *gwatclient.Finalization) // a planted bug; nil for none
	// meanwhile is what a planted bug does beside a call; nil for nothing.
	meanwhile func()

	mu      sync.Mutex
	busy    int
	made    int
	broken  []string
	drivers map[string]bool // the findings without which no call is called for
}

// The rules.
const (
	ruleOne       = "one call in flight"
	ruleCanonical = "a stored checkpoint is canonical"
	ruleFinal     = "the checkpoint's spine is final in gwat, or made so by the call"
	ruleKept      = "no finalized block is lost by a heal"
	ruleProof     = "no call without proof"
	ruleOrder     = "the spines follow one another"
)

func (w *witness) breaks(rule string, broken bool) {
	if broken && !slices.Contains(w.broken, rule) {
		w.broken = append(w.broken, rule)
	}
}

// called holds one dag_finalize to the rules before and after it is made.
func (w *witness) called(f *gwatclient.Finalization, do func() error) error {
	if w.spoil != nil {
		w.spoil(w, f)
	}
	n := w.p.net
	w.mu.Lock()
	w.busy++
	w.made++
	w.breaks(ruleOne, w.busy > 1)
	_, canonical := n.SlotOfRoot(f.Checkpoint.Root)
	w.breaks(ruleCanonical, !canonical)
	before, _ := n.SlotOfSpine(*w.p.gwat.State().LastFinalized)
	spine, known := n.SlotOfSpine(f.Checkpoint.Spine)
	w.breaks(ruleFinal, !known || spine > before && f.Base != f.Checkpoint.Spine && !slices.Contains(f.Spines, f.Checkpoint.Spine))
	for i := 1; i < len(f.Spines); i++ {
		a, _ := n.SlotOfSpine(f.Spines[i-1])
		b, known := n.SlotOfSpine(f.Spines[i])
		w.breaks(ruleOrder, !known || b != a+1)
	}
	proved := false
	for _, finding := range w.p.watcher.Snapshot().Findings {
		proved = proved || w.drivers[finding.Name]
	}
	w.breaks(ruleProof, !proved)
	w.mu.Unlock()

	err := do()
	if w.meanwhile != nil {
		w.meanwhile()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	if last := w.p.gwat.State().LastFinalized; last != nil {
		after, _ := n.SlotOfSpine(*last)
		w.breaks(ruleKept, after < before)
	}
	return err
}

// witnessed are the calls of one permit.
type witnessed struct {
	Changes
	w *witness
}

func (c witnessed) Push(ctx context.Context, entries []gwatclient.Finalization) (mark *protocol.Mark, err error) {
	entries = slices.Clone(entries)
	point := *entries[0].Checkpoint
	entries[0].Checkpoint = &point
	err = c.w.called(&entries[0], func() error { mark, err = c.Changes.Push(ctx, entries); return err })
	return mark, err
}

func (c witnessed) Complete(ctx context.Context, head gwatclient.Finalization) error {
	return c.w.called(&head, func() error { return c.Changes.Complete(ctx, head) })
}

// everyHeal is a config with all heals on, whose calls a witness sees.
func everyHeal(w *witness) func(*simulated, *Config) {
	return func(p *simulated, c *Config) {
		withHeals(Heals{Peers: true, Checkpoint: true, Drive: true, RestartGwat: "restart gwat", RestartBeacon: "restart beacon"})(p, c)
		w.p, w.calls = p, c.Changes
		w.drivers = map[string]bool{"no_peers_loop": true, "foreign_checkpoint": true, "beacon_silent": true}
		c.Changes = func(permit guard.Permit) Changes { return witnessed{w.calls(permit), w} }
	}
}

// faults are what a seed chooses from.
var faults = []func(p *simulated, r *rand.Rand){
	func(p *simulated, _ *rand.Rand) { lasting["B2 gwat restarted without peers"].incident(p) },
	func(p *simulated, _ *rand.Rand) { lasting["B3 foreign checkpoint"].incident(p) },
	func(p *simulated, r *rand.Rand) {
		silence(p)
		time.Sleep(time.Duration(20+r.IntN(20)) * time.Second)
		p.beacon.Freeze(false)
	},
	func(p *simulated, _ *rand.Rand) { p.gwat.Wedge() },
	func(p *simulated, r *rand.Rand) {
		p.gwatWire.Set(wire.Stopped)
		time.Sleep(time.Duration(1+r.IntN(30)) * time.Second)
		p.gwatWire.Set(wire.Up)
	},
	func(p *simulated, r *rand.Rand) {
		p.beacon.SetPeers(0)
		time.Sleep(time.Duration(1+r.IntN(40)) * time.Second)
		p.beacon.SetPeers(3)
	},
	func(p *simulated, _ *rand.Rand) { p.beacon.Restart() },
	func(p *simulated, r *rand.Rand) {
		p.beaconWire.Set(wire.Refused)
		time.Sleep(time.Duration(1+r.IntN(10)) * time.Second)
		p.beaconWire.Set(wire.Up)
	},
}

// Two of the faults.
const (
	forges = 1
	wedges = 3
)

// Whatever a seed brings about, the heals keep the rules of the era, and the pair works in
// the end.
func TestHealsKeepTheRules(t *testing.T) {
	made := 0
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w, r := &witness{}, rand.New(rand.NewPCG(seed, 1))
			besideAPairWith(t, everyHeal(w), func(t *testing.T, p *simulated) {
				p.works(t, 30*time.Second)
				chosen := r.Perm(len(faults))[:1+r.IntN(3)]
				if slices.Contains(chosen, wedges) { // then no checkpoint may be exchanged: its spine is not final
					chosen = slices.DeleteFunc(chosen, func(i int) bool { return i == forges })
				}
				for _, i := range chosen {
					faults[i](p, r)
					time.Sleep(time.Duration(r.IntN(30)) * time.Second)
				}
				p.works(t, 10*time.Minute)
				require.Empty(t, w.broken)
				made += w.made
			})
		})
	}
	require.Positive(t, made, "no seed brought a heal about")
}

// Each planted bug is found by the rule that it breaks.
func TestPlantedBugsOfTheEra(t *testing.T) {
	for name, tc := range map[string]struct {
		incident string
		rule     string
		spoil    func(w *witness, f *gwatclient.Finalization)
	}{
		"a root of no block": {"B3 foreign checkpoint", ruleCanonical, func(_ *witness, f *gwatclient.Finalization) { f.Checkpoint.Root = common.Hash{1} }},
		"a spine that is not final": {"B3 foreign checkpoint", ruleFinal, func(w *witness, f *gwatclient.Finalization) {
			f.Checkpoint.Spine = w.p.net.Spine(w.p.net.Slot())
		}},
		"a spine that is unknown": {"B3 foreign checkpoint", ruleFinal, func(_ *witness, f *gwatclient.Finalization) { f.Checkpoint.Spine = common.Hash{1} }},
		"spines with a gap": {"B7 beacon silent", ruleOrder, func(_ *witness, f *gwatclient.Finalization) {
			f.Spines = slices.Delete(slices.Clone(f.Spines), 1, 2)
		}},
		"a second call at the same time": {"B3 foreign checkpoint", ruleOne, func(w *witness, f *gwatclient.Finalization) {
			w.busy++
		}},
		"a call although nothing is wrong": {"B3 foreign checkpoint", ruleProof, func(w *witness, _ *gwatclient.Finalization) { w.drivers = nil }},
		"blocks are lost": {"B3 foreign checkpoint", ruleKept, func(w *witness, _ *gwatclient.Finalization) {
			w.meanwhile = w.p.gwat.Wipe
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &witness{spoil: tc.spoil}
			heals := Heals{Checkpoint: true, Drive: true}
			besideAPairWith(t, func(p *simulated, c *Config) { everyHeal(w)(p, c); c.Heals = heals }, func(t *testing.T, p *simulated) {
				incident(p, t, lasting[tc.incident].incident)
				require.Eventually(t, func() bool {
					w.mu.Lock()
					defer w.mu.Unlock()
					return slices.Contains(w.broken, tc.rule)
				}, 2*time.Minute, 100*time.Millisecond, "rule %q is not found broken", tc.rule)
			})
		})
	}
}
