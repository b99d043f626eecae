package beaconclient

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"

	"github.com/gwatsync/syncd/checkpoint"
)

// BlockID names a block: head, genesis, a slot or a root.
type BlockID string

// The named blocks.
const (
	Head    BlockID = "head"
	Genesis BlockID = "genesis"
)

// AtSlot names the block of a slot; an empty slot is ErrNotFound.
func AtSlot(slot primitives.Slot) BlockID { return BlockID(strconv.FormatUint(uint64(slot), 10)) }

// AtRoot names a block by its root, canonical or not.
func AtRoot(root common.Hash) BlockID { return BlockID(root.Hex()) }

// slot is the slot that an id names, if it names one.
func (id BlockID) slot() (primitives.Slot, bool) {
	n, err := strconv.ParseUint(string(id), 10, 64)
	return primitives.Slot(n), err == nil
}

// root is the root that an id names, if it names one.
func (id BlockID) root() (common.Hash, bool) {
	return common.HexToHash(string(id)), strings.HasPrefix(string(id), "0x")
}

// StateID names a state: that of head, of the justified or finalized
// checkpoint, or of a slot.
type StateID string

// The named states.
const (
	StateHead      StateID = "head"
	StateJustified StateID = "justified"
	StateFinalized StateID = "finalized"
)

// StateAtSlot names the state of a slot.
func StateAtSlot(slot primitives.Slot) StateID { return StateID(AtSlot(slot)) }

// Header is the header of a beacon block.
type Header struct {
	Root       common.Hash
	ParentRoot common.Hash
	Slot       primitives.Slot
	Canonical  bool
}

// Header asks /eth/v1/beacon/headers/{id}; the answer is of the slot or root
// that id names.
func (c *Client) Header(ctx context.Context, id BlockID) (Header, error) {
	path := "/eth/v1/beacon/headers/" + url.PathEscape(string(id))
	var in struct {
		Root      *common.Hash `json:"root"`
		Canonical *bool        `json:"canonical"`
		Header    struct {
			Message struct {
				Slot       *decimal     `json:"slot"`
				ParentRoot *common.Hash `json:"parent_root"`
			} `json:"message"`
		} `json:"header"`
	}
	if err := c.get(ctx, path, nil, &in); err != nil {
		return Header{}, err
	}
	msg := in.Header.Message
	if err := missing(map[string]bool{"root": in.Root != nil, "canonical": in.Canonical != nil, "slot": msg.Slot != nil, "parent_root": msg.ParentRoot != nil}); err != nil {
		return Header{}, malformed(path, "%w", err)
	}
	header := Header{Root: *in.Root, ParentRoot: *msg.ParentRoot, Slot: primitives.Slot(*msg.Slot), Canonical: *in.Canonical}
	if slot, ok := id.slot(); ok && slot != header.Slot {
		return Header{}, malformed(path, "the header is of slot %d", header.Slot)
	}
	if root, ok := id.root(); ok && root != header.Root {
		return Header{}, malformed(path, "the header is of block %s", header.Root)
	}
	return header, nil
}

// Block is what a beacon block says about gwat.
type Block struct {
	Slot         primitives.Slot
	ParentRoot   common.Hash
	Candidates   []common.Hash // eth1_data.candidates
	Finalization []common.Hash // eth1_data.finalization: the spines that this block finalizes, in order
}

// Block asks /eth/v2/beacon/blocks/{id}: v1 fails past phase0. The answer is of
// the slot that id names; a root cannot be checked from it.
func (c *Client) Block(ctx context.Context, id BlockID) (Block, error) {
	path := "/eth/v2/beacon/blocks/" + url.PathEscape(string(id))
	var in blockJSON
	if err := c.getUpTo(ctx, blockBody, path, nil, &in); err != nil {
		return Block{}, err
	}
	block, err := in.value()
	if err != nil {
		return Block{}, malformed(path, "%w", err)
	}
	if slot, ok := id.slot(); ok && slot != block.Slot {
		return Block{}, malformed(path, "the block is of slot %d", block.Slot)
	}
	return block, nil
}

type blockJSON struct {
	Message struct {
		Slot       *decimal     `json:"slot"`
		ParentRoot *common.Hash `json:"parent_root"`
		Body       struct {
			Eth1Data struct {
				Candidates   *hashRow `json:"candidates"`
				Finalization *hashRow `json:"finalization"`
			} `json:"eth1_data"`
		} `json:"body"`
	} `json:"message"`
}

func (in *blockJSON) value() (Block, error) {
	msg, data := in.Message, in.Message.Body.Eth1Data
	if err := missing(map[string]bool{
		"slot": msg.Slot != nil, "parent_root": msg.ParentRoot != nil,
		"eth1_data.candidates": data.Candidates != nil, "eth1_data.finalization": data.Finalization != nil,
	}); err != nil {
		return Block{}, err
	}
	return Block{
		Slot:         primitives.Slot(*msg.Slot),
		ParentRoot:   *msg.ParentRoot,
		Candidates:   *data.Candidates,
		Finalization: *data.Finalization,
	}, nil
}

// Finality holds the checkpoints of a state; an all-zero root means genesis.
type Finality struct {
	PreviousJustified checkpoint.Checkpoint
	CurrentJustified  checkpoint.Checkpoint
	Finalized         checkpoint.Checkpoint
}

type checkpointJSON struct {
	Epoch *decimal     `json:"epoch"`
	Root  *common.Hash `json:"root"`
}

func (in *checkpointJSON) there() bool { return in != nil && in.Epoch != nil && in.Root != nil }

func (in *checkpointJSON) value() checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Epoch: primitives.Epoch(*in.Epoch), Root: *in.Root}
}

// Finality asks /eth/v1/beacon/states/{state}/finality_checkpoints.
func (c *Client) Finality(ctx context.Context, state StateID) (Finality, error) {
	path := statePath(state) + "/finality_checkpoints"
	var in struct {
		Previous  *checkpointJSON `json:"previous_justified"`
		Current   *checkpointJSON `json:"current_justified"`
		Finalized *checkpointJSON `json:"finalized"`
	}
	if err := c.get(ctx, path, nil, &in); err != nil {
		return Finality{}, err
	}
	if err := missing(map[string]bool{
		"previous_justified": in.Previous.there(), "current_justified": in.Current.there(), "finalized": in.Finalized.there(),
	}); err != nil {
		return Finality{}, malformed(path, "%w", err)
	}
	return Finality{PreviousJustified: in.Previous.value(), CurrentJustified: in.Current.value(), Finalized: in.Finalized.value()}, nil
}

func statePath(state StateID) string {
	return "/eth/v1/beacon/states/" + url.PathEscape(string(state))
}
