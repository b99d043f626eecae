package simulation

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// record is what the rules are checked by: what went over the network, and what
// the nodes themselves logged.
type record struct {
	*run
	calls map[int]gwatsim.Call // what gwat logged of an exchange, by its id
	ours  []*exchange          // readies, pushes and dag_syncs of syncd that went out, in the order they were sent
	// answers that syncd was given, in the order in which it got them
	heads, syncings, candidates, blocks []*exchange
	// calls on both sides of the gate: of the beacon node and of others, and to gwat
	before, behind []*exchange
	byBody         map[uint64][]*exchange // those to gwat, by what they say
	canonical      map[common.Hash]bool   // spines of the chain that won
	found          []Violation
}

func (r *run) record() *record {
	c := &record{run: r, calls: map[int]gwatsim.Call{}}
	for _, g := range r.gwats {
		for _, call := range g.log.calls {
			_, port, _ := strings.Cut(call.Peer.Addr, ":")
			if id, err := strconv.Atoi(port); err == nil {
				c.calls[id] = call
			}
		}
	}
	for _, x := range r.net.exchanges {
		name := strings.TrimSuffix(x.call, "[]")
		switch {
		case x.link != syncdGwat && x.link != syncdBeacon:
		case (name == callReady || name == callPush || name == callSync) && x.written:
			c.ours = append(c.ours, x)
		case x.ended == never || !x.whole || x.status != 200:
		case x.call == pathHead:
			c.heads = append(c.heads, x)
		case x.call == callSyncing:
			c.syncings = append(c.syncings, x)
		case x.call == callCandidates:
			c.candidates = append(c.candidates, x)
		case name == "eth_getBlockByHash" || name == "eth_getBlockByNumber":
			c.blocks = append(c.blocks, x)
		}
	}
	byEnd := func(a, b *exchange) int { return int(a.ended - b.ended) }
	for _, list := range [][]*exchange{c.heads, c.syncings, c.candidates, c.blocks} {
		slices.SortStableFunc(list, byEnd)
	}
	slices.SortStableFunc(c.ours, func(a, b *exchange) int { return int(a.sent - b.sent) })
	return c
}

// broken notes a violation.
func (c *record) broken(rule string, at time.Duration, what string) {
	c.found = append(c.found, Violation{rule, at, what})
}

// last is the newest of list that a incarnation of syncd had been given by a time.
func last(list []*exchange, incarnation int, by time.Duration) *exchange {
	for i := len(list) - 1; i >= 0; i-- {
		if x := list[i]; x.from == incarnation && x.ended <= by {
			return x
		}
	}
	return nil
}

// root is the block of a head answer.
func (x *exchange) root() common.Hash {
	var answer struct {
		Data struct {
			Root common.Hash `json:"root"`
		} `json:"data"`
	}
	_ = json.Unmarshal(x.answer, &answer) // garbled ones are not whole
	return answer.Data.Root
}

// stageTold is the stage of an eth_syncing answer; "" for false.
func (x *exchange) stageTold() (stage string, ok bool) {
	raw, ok := x.result()
	if !ok {
		return "", false
	}
	var syncing struct {
		Stage string `json:"stage"`
	}
	if string(raw) == "false" {
		return "", true
	}
	err := json.Unmarshal(raw, &syncing)
	return syncing.Stage, err == nil
}

// infos are the entries of a ready, a push or a dag_sync.
func (x *exchange) infos() []checkpoint.ConsensusInfo {
	if x.call == callPush {
		var params [][]checkpoint.ConsensusInfo
		if json.Unmarshal([]byte(x.params), &params) == nil && len(params) == 1 {
			return params[0]
		}
		return nil
	}
	var params []checkpoint.ConsensusInfo
	if json.Unmarshal([]byte(x.params), &params) != nil {
		return nil
	}
	return params
}

// saidTrue reports whether syncd was given true.
func (x *exchange) saidTrue() bool {
	raw, ok := x.result()
	return ok && string(raw) == "true"
}

// lastSpine is the zero hash for an entry without spines.
func lastSpine(info checkpoint.ConsensusInfo) common.Hash {
	spine, _ := info.LastSpine()
	return spine
}

// chainOf is the network that has a block; nil if none has.
func (c *record) chainOf(root common.Hash) (world.Chain, *world.BeaconBlock) {
	for _, chain := range []world.Chain{c.plan.chain, c.plan.foreign} {
		if b, ok := chain.Block(root); ok {
			return chain, b
		}
	}
	return nil, nil
}

// ancestors are the blocks after a slot up to head, by parent roots, oldest first,
// and the one below them.
func ancestors(chain world.Chain, head *world.BeaconBlock, after primitives.Slot) (list []*world.BeaconBlock, below *world.BeaconBlock) {
	for b := head; ; {
		if b.Slot <= after {
			below = b
			break
		}
		list = append(list, b)
		parent, ok := chain.Block(b.ParentRoot)
		if !ok {
			break
		}
		b = parent
	}
	slices.Reverse(list)
	return list, below
}

// isAncestor reports whether a block is on the chain of a head.
func isAncestor(chain world.Chain, head *world.BeaconBlock, root common.Hash) bool {
	for b := head; ; {
		if b.Root == root {
			return true
		}
		parent, ok := chain.Block(b.ParentRoot)
		if !ok || b.Slot == 0 {
			return false
		}
		b = parent
	}
}

// sampleAt is what gwat was at a time.
func (c *record) sampleAt(at time.Duration) sample {
	i, _ := slices.BinarySearchFunc(c.samples, at, func(s sample, at time.Duration) int {
		if s.at <= at {
			return -1
		}
		return 1
	})
	if i == 0 {
		return sample{}
	}
	return c.samples[i-1]
}

// highest is the highest number of a chain that gwat was at in a time; 0 if gwat was of
// another network all of it.
func (c *record) highest(chain world.Chain, from, to time.Duration) uint64 {
	home, high := chain == c.plan.chain, uint64(0)
	if s := c.sampleAt(from); s.home == home {
		high = s.number
	}
	for _, s := range c.samples {
		if s.at > from && s.at <= to && s.home == home {
			high = max(high, s.number)
		}
	}
	return high
}

// lowest is the lowest number that gwat was at in a time, on the plan's network.
func (c *record) lowest(from, to time.Duration) uint64 {
	low := uint64(math.MaxUint64)
	if s := c.sampleAt(from); s.home {
		low = s.number
	}
	for _, s := range c.samples {
		if s.at > from && s.at <= to && s.home {
			low = min(low, s.number)
		}
	}
	return low
}
