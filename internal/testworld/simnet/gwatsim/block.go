package gwatsim

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// block is a gwat block as eth_getBlockBy… answers it. Number is null as long as
// the block is not final. Blocks here are empty and carry no state.
type block struct {
	Hash             common.Hash     `json:"hash"`
	Number           *hexutil.Uint64 `json:"number"`
	Height           hexutil.Uint64  `json:"height"`
	Slot             hexutil.Uint64  `json:"slot"`
	ParentHashes     []common.Hash   `json:"parentHashes"`
	Miner            common.Address  `json:"miner"`
	LfHash           common.Hash     `json:"lfHash"`
	LfNumber         hexutil.Uint64  `json:"lfNumber"`
	Timestamp        hexutil.Uint64  `json:"timestamp"`
	BaseFeePerGas    hexutil.Uint64  `json:"baseFeePerGas"`
	ExtraData        hexutil.Bytes   `json:"extraData"`
	GasLimit         hexutil.Uint64  `json:"gasLimit"`
	GasUsed          hexutil.Uint64  `json:"gasUsed"`
	LogsBloom        hexutil.Bytes   `json:"logsBloom"`
	ReceiptsRoot     common.Hash     `json:"receiptsRoot"`
	Size             hexutil.Uint64  `json:"size"`
	StateRoot        common.Hash     `json:"stateRoot"`
	Transactions     []common.Hash   `json:"transactions"`
	TransactionsRoot common.Hash     `json:"transactionsRoot"`
}

const (
	baseFee  = 1_000_000_000
	gasLimit = 8_000_000
	emptyLen = 0x167 // bytes of an empty block
	lfDelay  = 5     // slots between a block and the last final one its creator knew
)

var (
	// emptyList is the root of no transactions, and of no receipts.
	emptyList = common.HexToHash("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
	noLogs    = make(hexutil.Bytes, 256)
)

// blockByHash finds a block that the node has; nil if it has not.
func (n *Node) blockByHash(hash common.Hash) *block {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.advance(time.Now())
	b, ok := n.dag.find(hash)
	if !ok {
		return nil
	}
	return n.describe(b)
}

// blockByNumber finds a finalized block; nil if there is none of that number.
func (n *Node) blockByNumber(at blockTag) *block {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.advance(time.Now())
	if at.latest {
		return n.describe(n.ledger.last())
	}
	if at.number > n.ledger.height() {
		return nil
	}
	return n.describe(n.ledger.blocks[at.number])
}

func (n *Node) describe(b *world.DAGBlock) *block {
	out := &block{
		Hash:             b.Hash,
		Height:           hexutil.Uint64(b.Height),
		Slot:             hexutil.Uint64(b.Slot),
		ParentHashes:     b.Parents,
		Miner:            b.Creator,
		Timestamp:        hexutil.Uint64(n.spec.GenesisTime + uint64(b.Slot)*n.spec.SecondsPerSlot),
		BaseFeePerGas:    baseFee,
		GasLimit:         gasLimit,
		LogsBloom:        noLogs,
		Size:             emptyLen,
		ReceiptsRoot:     emptyList,
		Transactions:     []common.Hash{},
		TransactionsRoot: emptyList,
	}
	if out.ParentHashes == nil {
		out.ParentHashes = []common.Hash{}
	}
	if number, final := n.ledger.number(b.Hash); final {
		out.Number = (*hexutil.Uint64)(&number)
	}
	if final := n.finalBefore(b); final != nil {
		out.LfHash, out.LfNumber = final.Hash, hexutil.Uint64(final.Height)
	}
	return out
}

// finalBefore is the spine that was final when a block was made; nil for genesis.
func (n *Node) finalBefore(b *world.DAGBlock) *world.DAGBlock {
	var out *world.DAGBlock
	for at := b; len(at.Parents) > 0 && at.Slot+lfDelay > b.Slot; {
		parent, ok := n.dag.find(at.Parents[0])
		if !ok {
			break
		}
		out, at = parent, parent
	}
	return out
}
