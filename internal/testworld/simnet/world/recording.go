package world

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

const (
	recordingFile    = "chain.jsonl.gz"
	maxRecordingSize = 64 << 20
)

// ErrBadRecording tells a recorded chain that cannot be served.
var ErrBadRecording = errors.New("unusable recorded chain")

// recordedLine is one line of the file; exactly one field of it is there.
type recordedLine struct {
	Spec      *checkpoint.Spec          `json:"spec,omitempty"`
	Validator *recordedValidator        `json:"validator,omitempty"`
	Committee *Committee                `json:"committee,omitempty"`
	Block     *BeaconBlock              `json:"block,omitempty"`
	Finality  *recordedFinality         `json:"finality,omitempty"`
	DAG       *recordedDAGBlock         `json:"dag,omitempty"`
	Sent      *checkpoint.ConsensusInfo `json:"sent,omitempty"`
}

type recordedValidator struct {
	Pubkey      hexutil.Bytes
	Credentials common.Hash
}

type recordedFinality struct {
	Epoch    primitives.Epoch // of the state
	Finality Finality
}

type recordedDAGBlock struct {
	Block  DAGBlock
	Number uint64
}

type recording struct {
	spec       checkpoint.Spec
	validators []Validator
	committees map[primitives.Epoch][]Committee
	blocks     []*BeaconBlock // by slot, without the empty ones
	byRoot     map[common.Hash]*BeaconBlock
	finality   map[primitives.Epoch]Finality
	dag        []*DAGBlock
	dagBySlot  map[primitives.Slot][]*DAGBlock
	dagByHash  map[common.Hash]*DAGBlock
	truth      Truth
}

func readRecording(fsys fs.FS) (*recording, error) {
	file, err := fsys.Open(recordingFile)
	if err != nil {
		return nil, fmt.Errorf("open recorded chain: %w", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRecording, err)
	}
	r := &recording{
		committees: make(map[primitives.Epoch][]Committee),
		byRoot:     make(map[common.Hash]*BeaconBlock),
		finality:   make(map[primitives.Epoch]Finality),
		dagBySlot:  make(map[primitives.Slot][]*DAGBlock),
		dagByHash:  make(map[common.Hash]*DAGBlock),
		truth:      Truth{Numbers: make(map[common.Hash]uint64)},
	}
	decoder := json.NewDecoder(io.LimitReader(unzipped, maxRecordingSize))
	for {
		var line recordedLine
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadRecording, err)
		}
		if err := r.add(line); err != nil {
			return nil, err
		}
	}
	return r, r.check()
}

// add takes one line in; the spec comes first.
func (r *recording) add(line recordedLine) error {
	if line.Spec != nil {
		r.spec = *line.Spec
	}
	if err := r.spec.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrBadRecording, err)
	}
	switch {
	case line.Validator != nil:
		r.validators = append(r.validators, Validator{Pubkey: line.Validator.Pubkey, WithdrawalCredentials: line.Validator.Credentials})
	case line.Committee != nil:
		epoch := r.spec.Epoch(line.Committee.Slot)
		r.committees[epoch] = append(r.committees[epoch], *line.Committee)
	case line.Block != nil:
		r.blocks = append(r.blocks, line.Block)
		r.byRoot[line.Block.Root] = line.Block
	case line.Finality != nil:
		r.finality[line.Finality.Epoch] = line.Finality.Finality
	case line.DAG != nil:
		block := &line.DAG.Block
		r.dag = append(r.dag, block)
		r.dagBySlot[block.Slot] = append(r.dagBySlot[block.Slot], block)
		r.dagByHash[block.Hash] = block
		r.truth.Numbers[block.Hash] = line.DAG.Number
	case line.Sent != nil:
		r.truth.Sent = append(r.truth.Sent, *line.Sent)
	}
	return nil
}

// check makes sure that what the methods of Recorded rely on is there.
func (r *recording) check() error {
	if len(r.blocks) < 2 || len(r.dag) == 0 || len(r.validators) == 0 || r.blocks[0].Slot != 0 {
		return fmt.Errorf("%w: genesis, blocks or validators are missing", ErrBadRecording)
	}
	for i, block := range r.blocks[1:] {
		if block.ParentRoot != r.blocks[i].Root || block.Slot <= r.blocks[i].Slot {
			return fmt.Errorf("%w: the block of slot %d does not follow the one of slot %d", ErrBadRecording, block.Slot, r.blocks[i].Slot)
		}
	}
	last := r.blocks[len(r.blocks)-1]
	if len(last.Finalization) == 0 || r.dagByHash[last.Finalization[len(last.Finalization)-1]] == nil {
		return fmt.Errorf("%w: the last body finalizes no known gwat block", ErrBadRecording)
	}
	for _, committees := range r.committees {
		for _, c := range committees {
			for _, index := range c.Validators {
				if index >= uint64(len(r.validators)) {
					return fmt.Errorf("%w: validator %d is missing", ErrBadRecording, index)
				}
			}
		}
	}
	return nil
}

// atOrBefore is the newest block at or before a slot.
func (r *recording) atOrBefore(slot primitives.Slot) *BeaconBlock {
	after := sort.Search(len(r.blocks), func(i int) bool { return r.blocks[i].Slot > slot })
	return r.blocks[after-1]
}

// finalityOf is the recorded finality in which an epoch is justified.
func (r *recording) finalityOf(justified primitives.Epoch) (Finality, bool) {
	for _, f := range r.finality {
		if f.CurrentJustified.Epoch == justified {
			return f, true
		}
	}
	return Finality{}, false
}
