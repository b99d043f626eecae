package world

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

const (
	maxHashes      = 128 // in one field of eth1_data
	candidateAge   = 2   // slots between a spine and the first body that names it
	votingEpochs   = 4   // EPOCHS_PER_ETH1_VOTING_PERIOD
	mainBranch     = 0   // the branch that wins; others are named by their first slot
	firstJustified = 2   // epochs before it are never justified, as recorded
)

// beacon is the consensus side of a generated world: the winning branch, and
// beside it the blocks that reorgs leave behind.
type beacon struct {
	cfg       Config
	dag       *dag
	reorgs    map[primitives.Slot]Reorg // by the first slot of the fork
	canonical []*node                   // by slot; nil if the slot is empty
	heads     []*node                   // by slot: the head everybody sees
	byRoot    map[common.Hash]*node
	main      *node           // newest block of the winning branch
	fork      *fork           // open fork, if any
	forced    primitives.Slot // must have a block: a reorg ends in it
}

// fork is a losing branch as long as it is the head.
type fork struct {
	branch uint64
	head   *node
	end    primitives.Slot // head switches to the winning branch in this slot
}

type node struct {
	block     BeaconBlock
	parent    *node
	canonical bool
	branch    uint64
	final     primitives.Slot // slot of the newest spine finalized up to this body
}

func newBeacon(cfg Config, d *dag) *beacon {
	genesis := &node{canonical: true}
	seal(cfg.Seed, genesis)
	b := &beacon{
		cfg:       cfg,
		dag:       d,
		reorgs:    make(map[primitives.Slot]Reorg, len(cfg.Reorgs)),
		canonical: []*node{genesis},
		heads:     []*node{genesis},
		byRoot:    map[common.Hash]*node{genesis.block.Root: genesis},
		main:      genesis,
	}
	for _, r := range cfg.Reorgs {
		b.reorgs[r.first()] = r
	}
	return b
}

// extend decides the next slot; the DAG must be there up to it.
func (b *beacon) extend() {
	slot := primitives.Slot(len(b.heads))
	if b.fork != nil && b.fork.end == slot {
		b.fork = nil
	}
	missed := random(b.cfg.Seed, forBeacon, uint64(slot)).Float64() < b.cfg.MissRate
	if b.fork == nil {
		b.openFork(slot)
	}
	if b.fork != nil {
		// The losing branch never misses a slot, so that a reorg is as deep as it is long.
		b.fork.head = b.build(b.fork.head, slot, b.fork.branch)
	}
	if missed && b.forced != slot {
		b.canonical = append(b.canonical, nil)
	} else {
		b.main = b.build(b.main, slot, mainBranch)
		b.canonical = append(b.canonical, b.main)
	}
	if b.fork != nil {
		b.heads = append(b.heads, b.fork.head)
	} else {
		b.heads = append(b.heads, b.main)
	}
}

// openFork begins a fork in slot if one is configured there or chance wills it.
func (b *beacon) openFork(slot primitives.Slot) {
	r, ok := b.reorgs[slot]
	if !ok {
		chance := random(b.cfg.Seed, forFork, uint64(slot))
		if chance.Float64() >= b.cfg.ForkRate {
			return
		}
		r.Depth = 1 + chance.Uint64N(b.cfg.MaxForkDepth)
		r.Slot = slot + primitives.Slot(r.Depth)
		for _, exact := range b.cfg.Reorgs {
			if exact.first() < r.Slot && slot < exact.Slot {
				return
			}
		}
	}
	b.fork = &fork{branch: uint64(slot), head: b.main, end: r.Slot}
	b.forced = r.Slot
}

// build makes the block of a slot on a parent.
func (b *beacon) build(parent *node, slot primitives.Slot, branch uint64) *node {
	n := &node{parent: parent, canonical: branch == mainBranch, branch: branch}
	n.block.Slot = slot
	n.block.ParentRoot = parent.block.Root
	n.block.Proposer = random(b.cfg.Seed, forProposer, uint64(slot)^branch<<32).Uint64N(b.cfg.Validators)
	n.block.Finalization, n.final = b.nextFinalization(parent)
	if slot > candidateAge {
		n.block.Candidates, _ = b.spines(n.final, slot-candidateAge, branch)
	}
	n.block.Eth1Hash = b.eth1Hash(n)
	seal(b.cfg.Seed, n)
	b.byRoot[n.block.Root] = n
	return n
}

// nextFinalization is what the state after n will finalize next, and the slot
// of its newest spine. With nothing new it repeats the last spine or is empty.
func (b *beacon) nextFinalization(n *node) ([]common.Hash, primitives.Slot) {
	if n.block.Slot+1 > primitives.Slot(b.cfg.FinalizationDelay) {
		upTo := n.block.Slot + 1 - primitives.Slot(b.cfg.FinalizationDelay)
		if list, final := b.spines(n.final, upTo, n.branch); len(list) > 0 {
			return list, final
		}
	}
	if n.final == 0 || random(b.cfg.Seed, forRepeat, uint64(n.block.Slot)).IntN(2) == 0 {
		return []common.Hash{b.dag.spine(n.final).Hash}, n.final
	}
	return nil, n.final
}

// spines is the chain of spines that a branch names after the one of slot
// last, up to the slot upTo, and the slot of its newest one.
func (b *beacon) spines(last, upTo primitives.Slot, branch uint64) ([]common.Hash, primitives.Slot) {
	var out []common.Hash
	for slot := last + 1; slot <= upTo && len(out) < maxHashes; slot++ {
		if b.names(slot, last, branch) {
			out = append(out, b.dag.spine(slot).Hash)
			last = slot
		}
	}
	return out, last
}

// names reports whether a branch names the spine of slot after that of last.
// Where the spine of a slot does not descend from the one before it, a branch
// takes the first, the second or neither, and so orders their blocks differently.
func (b *beacon) names(slot, last primitives.Slot, branch uint64) bool {
	if b.dag.spine(slot) == nil {
		return false
	}
	if b.dag.slots[slot].split {
		return last != slot-1 && b.policy(slot, branch) != neither
	}
	if next := slot + 1; next < primitives.Slot(len(b.dag.slots)) && b.dag.slots[next].split {
		return b.policy(next, branch) == first
	}
	return true
}

// What a branch takes of two spines that do not descend from each other.
const (
	first = iota
	second
	neither
	policies
)

func (b *beacon) policy(split primitives.Slot, branch uint64) int {
	policy := random(b.cfg.Seed, forPolicy, uint64(split)).IntN(policies)
	if branch != mainBranch {
		policy += 1 + random(b.cfg.Seed^branch, forBranchPolicy, uint64(split)).IntN(policies-1)
	}
	return policy % policies
}

// eth1Hash is voted again once a voting period and is gwat's genesis in the first.
func (b *beacon) eth1Hash(n *node) common.Hash {
	period := primitives.Slot(votingEpochs * b.cfg.SlotsPerEpoch)
	switch {
	case n.block.Slot < period:
		return b.dag.spine(0).Hash
	case n.block.Slot/period != n.parent.block.Slot/period:
		return b.dag.spine(n.parent.final).Hash
	default:
		return n.parent.block.Eth1Hash
	}
}

// atOrBefore is the newest block at or before a slot in the chain of n.
func (b *beacon) atOrBefore(n *node, slot primitives.Slot) *node {
	for n != nil && n.block.Slot > slot {
		if !n.canonical {
			n = n.parent
			continue
		}
		for b.canonical[slot] == nil {
			slot--
		}
		return b.canonical[slot]
	}
	return n
}

// seal gives a block its roots from its contents.
func seal(seed uint64, n *node) {
	d := newDigest("beacon block", seed)
	d.number(uint64(n.block.Slot))
	d.number(n.block.Proposer)
	d.number(n.branch)
	d.Write(n.block.ParentRoot[:])
	d.Write(n.block.Eth1Hash[:])
	d.hashes(n.block.Candidates)
	d.hashes(n.block.Finalization)
	n.block.Root = d.sum(n.block.Slot)

	s := newDigest("beacon state", seed)
	s.Write(n.block.Root[:])
	n.block.StateRoot = s.sum(n.block.Slot)
}
