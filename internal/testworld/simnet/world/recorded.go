package world

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

//go:embed testdata/recorded/chain.jsonl.gz
var embedded embed.FS

// RecordedOptions choose how a recorded chain is seen.
type RecordedOptions struct {
	GenesisTime uint64           // Unix seconds; 0 takes the recorded one
	HeadSlot    primitives.Slot  // the head never goes past it; 0 takes the last recorded slot
	Justified   primitives.Epoch // the states of every head justify this epoch; 0 takes what each state had
}

// Recorded is the chain of a real network of 247 slots. Its DAG has one block
// a slot and one parent a block; two spines named as candidates by its last
// bodies were not recorded and are unknown.
type Recorded struct {
	options RecordedOptions
	data    *recording
	last    primitives.Slot
}

var _ Chain = (*Recorded)(nil)

// LoadRecorded reads chain.jsonl.gz from fsys; nil takes the embedded one.
func LoadRecorded(fsys fs.FS, options RecordedOptions) (*Recorded, error) {
	if fsys == nil {
		sub, err := fs.Sub(embedded, "testdata/recorded")
		if err != nil {
			return nil, fmt.Errorf("open the embedded chain: %w", err)
		}
		fsys = sub
	}
	data, err := readRecording(fsys)
	if err != nil {
		return nil, err
	}
	last := data.blocks[len(data.blocks)-1].Slot
	if options.HeadSlot > last {
		return nil, fmt.Errorf("%w: head slot %d is past the last recorded one, %d", ErrBadConfig, options.HeadSlot, last)
	}
	if options.HeadSlot > 0 {
		last = options.HeadSlot
	}
	if options.GenesisTime > 0 {
		data.spec.GenesisTime = options.GenesisTime
	}
	if options.Justified > 0 {
		if _, ok := data.finalityOf(options.Justified); !ok {
			return nil, fmt.Errorf("%w: no recorded state justifies epoch %d", ErrBadConfig, options.Justified)
		}
	}
	return &Recorded{options: options, data: data, last: last}, nil
}

// Spec implements Chain.
func (r *Recorded) Spec() checkpoint.Spec { return r.data.spec }

// Validators implements Chain.
func (r *Recorded) Validators() []Validator { return r.data.validators }

// Committees implements Chain.
func (r *Recorded) Committees(epoch primitives.Epoch) []Committee { return r.data.committees[epoch] }

// HeadAt implements Chain.
func (r *Recorded) HeadAt(slot primitives.Slot) *BeaconBlock {
	return r.data.atOrBefore(min(slot, r.last))
}

// Block implements Chain.
func (r *Recorded) Block(root common.Hash) (*BeaconBlock, bool) {
	block, ok := r.data.byRoot[root]
	return block, ok
}

// Ancestor implements Chain.
func (r *Recorded) Ancestor(head *BeaconBlock, slot primitives.Slot) (*BeaconBlock, bool) {
	if _, ok := r.data.byRoot[head.Root]; !ok || slot > head.Slot {
		return nil, false
	}
	block := r.data.atOrBefore(slot)
	return block, block.Slot == slot
}

// Finality implements Chain: what the recorded state at the start of head's
// epoch had, which holds for the whole epoch.
func (r *Recorded) Finality(head *BeaconBlock) Finality {
	if r.options.Justified > 0 {
		f, _ := r.data.finalityOf(r.options.Justified)
		return f
	}
	return r.data.finality[r.data.spec.Epoch(head.Slot)]
}

// NextFinalization implements Chain: what the next recorded body carries, and
// after the last one the next recorded gwat block.
func (r *Recorded) NextFinalization(head *BeaconBlock) []common.Hash {
	i := slices.IndexFunc(r.data.blocks, func(b *BeaconBlock) bool { return b.Root == head.Root })
	switch {
	case i < 0:
		return nil
	case i+1 < len(r.data.blocks):
		return r.data.blocks[i+1].Finalization
	}
	last := r.data.dagByHash[head.Finalization[len(head.Finalization)-1]]
	for _, block := range r.data.dag {
		if block.Height == last.Height+1 {
			return []common.Hash{block.Hash}
		}
	}
	return head.Finalization
}

// DAGGenesis implements Chain.
func (r *Recorded) DAGGenesis() *DAGBlock { return r.data.dag[0] }

// DAGSlot implements Chain.
func (r *Recorded) DAGSlot(slot primitives.Slot) []*DAGBlock { return r.data.dagBySlot[slot] }

// DAGBlock implements Chain.
func (r *Recorded) DAGBlock(hash common.Hash) (*DAGBlock, bool) {
	block, ok := r.data.dagByHash[hash]
	return block, ok
}

// Truth is what the real nodes did in the recording.
type Truth struct {
	// Sent is what the real beacon node told gwat of each slot, 0 to 246.
	Sent []checkpoint.ConsensusInfo
	// Numbers are those the real gwat gave to its blocks, 0 to 242.
	Numbers map[common.Hash]uint64
}

// RecordedTruth gives what the real nodes of the embedded chain did.
func RecordedTruth() (Truth, error) {
	r, err := LoadRecorded(nil, RecordedOptions{})
	if err != nil {
		return Truth{}, err
	}
	return r.data.truth, nil
}
