package gwatsim

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
)

// ethAPI is the part of the namespace eth that a coordinator or driver uses.
type ethAPI struct{ n *Node }

// syncing is what eth_syncing answers unless it is false: numbers are hex, slots plain.
type syncing struct {
	Stage         Stage           `json:"stage"`
	StartingBlock hexutil.Uint64  `json:"startingBlock"`
	CurrentBlock  hexutil.Uint64  `json:"currentBlock"`
	HighestBlock  hexutil.Uint64  `json:"highestBlock"`
	PulledStates  hexutil.Uint64  `json:"pulledStates"`
	KnownStates   hexutil.Uint64  `json:"knownStates"`
	LastCoordSlot primitives.Slot `json:"lastCoordSlot"`
	MaxBlockSlot  primitives.Slot `json:"maxBlockSlot"`
}

func (a *ethAPI) Syncing(ctx context.Context) (any, error) {
	return answer(ctx, a.n, "eth_syncing", func() any { return a.n.syncing() })
}

func (n *Node) syncing() any {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	n.advance(now)
	stage := n.stage(now)
	if stage == StageNone {
		return false
	}
	out := syncing{
		Stage:         stage,
		CurrentBlock:  hexutil.Uint64(n.ledger.height()),
		LastCoordSlot: n.lastCoordSlot,
		MaxBlockSlot:  n.dag.newest,
	}
	if stage == StageFinalized {
		out.HighestBlock = hexutil.Uint64(max(n.sync.target, n.ledger.height()))
	}
	return out
}

func (a *ethAPI) BlockNumber(ctx context.Context) (hexutil.Uint64, error) {
	return answer(ctx, a.n, "eth_blockNumber", func() hexutil.Uint64 { return hexutil.Uint64(a.n.State().Finalized) })
}

func (a *ethAPI) ChainId(ctx context.Context) (hexutil.Uint64, error) {
	return answer(ctx, a.n, "eth_chainId", func() hexutil.Uint64 { return hexutil.Uint64(a.n.spec.DepositChainID) })
}

func (a *ethAPI) Mining(ctx context.Context) (bool, error) {
	return answer(ctx, a.n, "eth_mining", func() bool { return true })
}

func (a *ethAPI) GetBlockByHash(ctx context.Context, hash common.Hash, _ bool) (*block, error) {
	return answer(ctx, a.n, "eth_getBlockByHash", func() *block { return a.n.blockByHash(hash) })
}

func (a *ethAPI) GetBlockByNumber(ctx context.Context, at blockTag, _ bool) (*block, error) {
	return answer(ctx, a.n, "eth_getBlockByNumber", func() *block { return a.n.blockByNumber(at) })
}

// blockTag is a number in hex, "earliest", "latest" or "pending"; both of the
// latter are the last finalized block.
type blockTag struct {
	latest bool
	number uint64
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *blockTag) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	switch text {
	case "latest", "pending":
		*t = blockTag{latest: true}
		return nil
	case "earliest":
		*t = blockTag{}
		return nil
	}
	number, err := hexutil.DecodeUint64(text)
	*t = blockTag{number: number}
	return err
}

// netAPI, web3API, txpoolAPI, adminAPI and rpcAPI are the namespaces of those names.
type netAPI struct{ n *Node }

func (a *netAPI) Version(ctx context.Context) (string, error) {
	return answer(ctx, a.n, "net_version", func() string { return strconv.FormatUint(a.n.spec.DepositChainID, 10) })
}

func (a *netAPI) PeerCount(ctx context.Context) (hexutil.Uint64, error) {
	return answer(ctx, a.n, "net_peerCount", func() hexutil.Uint64 { return hexutil.Uint64(a.n.peerCount()) })
}

func (a *netAPI) Listening(ctx context.Context) (bool, error) {
	return answer(ctx, a.n, "net_listening", func() bool { return true })
}

type web3API struct{ n *Node }

func (a *web3API) ClientVersion(ctx context.Context) (string, error) {
	return answer(ctx, a.n, "web3_clientVersion", func() string { return a.n.cfg.Version })
}

type txpoolAPI struct{ n *Node }

// Status tells an empty pool: simulated blocks carry no transactions.
func (a *txpoolAPI) Status(ctx context.Context) (map[string]hexutil.Uint, error) {
	return answer(ctx, a.n, "txpool_status", func() map[string]hexutil.Uint {
		return map[string]hexutil.Uint{"pending": 0, "processing": 0, "queued": 0}
	})
}

type adminAPI struct{ n *Node }

type adminPeer struct {
	Name string   `json:"name"`
	Caps []string `json:"caps"`
}

// Peers lists as many peers as net_peerCount tells.
func (a *adminAPI) Peers(ctx context.Context) ([]adminPeer, error) {
	return answer(ctx, a.n, "admin_peers", func() []adminPeer {
		out := make([]adminPeer, a.n.peerCount())
		for i := range out {
			out[i] = adminPeer{Name: a.n.cfg.Version, Caps: []string{"wfdag/1"}}
		}
		return out
	})
}

type rpcAPI struct{ n *Node }

// Modules lists what the real node has; debug, personal and wat are without methods here.
func (a *rpcAPI) Modules(ctx context.Context) (map[string]string, error) {
	return answer(ctx, a.n, "rpc_modules", func() map[string]string {
		out := make(map[string]string)
		for _, name := range []string{"admin", "dag", "debug", "eth", "net", "personal", "rpc", "txpool", "wat", "web3"} {
			out[name] = "1.0"
		}
		return out
	})
}
