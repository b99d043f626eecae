package gwatclient

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"
)

// blockJSON is block n of a node that has blocks 0 to 999, each a spine.
func blockJSON(n uint64, hash common.Hash, padding int) []byte {
	return fmt.Appendf(nil, `{"hash":%q,"number":"0x%x","height":"0x%x","slot":"0x%x","parentHashes":[%q],"pad":%q}`,
		hash, n, n, n+1, common.BigToHash(common.Big1), strings.Repeat("x", padding))
}

func hashOf(n uint64) common.Hash { return common.BytesToHash([]byte{1, byte(n >> 8), byte(n)}) }

// blockScript serves both block calls.
func blockScript(padding int) func(request) []byte {
	return func(req request) []byte {
		var args []string
		var raw []json.RawMessage
		_ = json.Unmarshal(req.Params, &raw)
		for _, one := range raw[:1] {
			var text string
			_ = json.Unmarshal(one, &text)
			args = append(args, text)
		}
		var n uint64
		if req.Method == "eth_getBlockByNumber" {
			n = hexutil.MustDecodeUint64(args[0])
		} else if b := common.HexToHash(args[0]); b[29] == 1 {
			n = uint64(b[30])<<8 | uint64(b[31])
		} else {
			n = 1000
		}
		if n >= 1000 {
			return answer(req, "result", []byte("null"))
		}
		return answer(req, "result", blockJSON(n, hashOf(n), padding))
	}
}

func TestBlockBatches(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			client := serve(t, transport, Config{}, blockScript(0))
			blocks, err := client.BlocksByNumber(t.Context(), 780, 1010)
			require.NoError(t, err)
			require.Len(t, blocks, 231)
			for i, block := range blocks {
				if n := uint64(780 + i); n < 1000 {
					require.Equal(t, n, *block.Number)
					require.Equal(t, hashOf(n), block.Hash)
					require.True(t, block.IsSpine())
				} else {
					require.Nil(t, block)
				}
			}
			one, err := client.BlocksByNumber(t.Context(), 7, 7)
			require.NoError(t, err)
			require.Len(t, one, 1)

			list := []common.Hash{hashOf(3), {9}, hashOf(500), hashOf(3)}
			blocks, err = client.BlocksByHash(t.Context(), list)
			require.NoError(t, err)
			require.Len(t, blocks, 4)
			require.Equal(t, list[0], blocks[0].Hash)
			require.Nil(t, blocks[1])
			require.Equal(t, list[2], blocks[2].Hash)
			require.Equal(t, list[3], blocks[3].Hash)
			none, err := client.BlocksByHash(t.Context(), nil)
			require.NoError(t, err)
			require.Empty(t, none)
			unknown, err := client.BlockByHash(t.Context(), common.Hash{9})
			require.NoError(t, err)
			require.Nil(t, unknown)
		})
	}
}

// TestBlockBatchTooLarge: full blocks do not fit a hundred in an answer; the
// client asks for fewer until one alone is too large.
func TestBlockBatchTooLarge(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			client := serve(t, transport, Config{MaxBody: 20_000}, blockScript(1000))
			blocks, err := client.BlocksByNumber(t.Context(), 0, 99)
			require.NoError(t, err)
			require.Len(t, blocks, 100)
			for i, block := range blocks {
				require.EqualValues(t, i, *block.Number)
			}
			client = serve(t, transport, Config{MaxBody: 1000}, blockScript(1000))
			_, err = client.BlocksByNumber(t.Context(), 0, 3)
			require.ErrorIs(t, err, ErrMalformed)
		})
	}
}

func TestBlockAnswersThatContradict(t *testing.T) {
	other := blockJSON(5, hashOf(6), 0)
	client := serve(t, "http", Config{}, result(string(other)))
	_, err := client.BlockByHash(t.Context(), hashOf(5))
	require.ErrorIs(t, err, ErrMalformed)
	_, err = client.BlocksByHash(t.Context(), []common.Hash{hashOf(6), hashOf(5)})
	require.ErrorIs(t, err, ErrMalformed)
	_, err = client.BlocksByNumber(t.Context(), 5, 6)
	require.ErrorIs(t, err, ErrMalformed)
	_, err = client.BlocksByNumber(t.Context(), 6, 5)
	require.ErrorContains(t, err, "no range")
	_, err = client.BlocksByNumber(t.Context(), 1, 1+maxBlockRange)
	require.ErrorContains(t, err, "no range")
	_, err = client.BlocksByNumber(t.Context(), 0, ^uint64(0))
	require.ErrorContains(t, err, "no range")
	_, err = serve(t, "http", Config{}, result("null")).Latest(t.Context())
	require.ErrorIs(t, err, ErrMalformed)
	_, err = serve(t, "http", Config{}, result(strings.Replace(string(other), `"number":"0x5"`, `"number":null`, 1))).Latest(t.Context())
	require.ErrorIs(t, err, ErrMalformed)
}

func TestBatchElements(t *testing.T) {
	var calls atomic.Int32
	client := serve(t, "http", Config{}, func(req request) []byte {
		if calls.Add(1) == 2 {
			return answer(req, "error", []byte(`{"code":-32000,"message":"broken"}`))
		}
		return answer(req, "result", []byte("null"))
	})
	_, err := client.BlocksByNumber(t.Context(), 0, 3)
	require.ErrorIs(t, err, ErrRPC)
	require.ErrorContains(t, err, "broken")

	for name, body := range map[string]string{
		"one missing":  `[{"jsonrpc":"2.0","id":1,"result":null}]`,
		"empty":        `[]`,
		"no list":      `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"batch too large"}}`,
		"nulls":        `[null,null]`,
		"not a block":  `[{"jsonrpc":"2.0","id":1,"result":7},{"jsonrpc":"2.0","id":2,"result":7}]`,
		"no result":    `[{"jsonrpc":"2.0","id":1},{"jsonrpc":"2.0","id":2}]`,
		"cut in half":  `[{"jsonrpc":"2.0","id":1`,
		"another's id": `[{"jsonrpc":"2.0","id":8,"result":null},{"jsonrpc":"2.0","id":9,"result":null}]`,
	} {
		t.Run(name, func(t *testing.T) {
			client := serveHTTP(t, Config{}, status(200, body))
			_, err := client.BlocksByNumber(t.Context(), 0, 1)
			require.ErrorIs(t, err, ErrMalformed)
		})
	}
}

func TestDecodeBlock(t *testing.T) {
	good := string(blockJSON(5, hashOf(5), 0))
	block, err := decodeBlock("m", []byte(good))
	require.NoError(t, err)
	require.True(t, block.Final() && block.IsSpine())

	open, err := decodeBlock("m", []byte(strings.Replace(good, `"number":"0x5"`, `"number":null`, 1)))
	require.NoError(t, err)
	require.False(t, open.Final() || open.IsSpine())
	off, err := decodeBlock("m", []byte(strings.Replace(good, `"number":"0x5"`, `"number":"0x6"`, 1)))
	require.NoError(t, err)
	require.True(t, off.Final())
	require.False(t, off.IsSpine())

	for _, field := range []string{"hash", "height", "slot", "parentHashes"} {
		_, err := decodeBlock("m", []byte(strings.Replace(good, `"`+field+`"`, `"gone"`, 1)))
		require.ErrorIs(t, err, ErrMalformed, field)
	}
	for _, change := range [][2]string{
		{`"height":"0x5"`, `"height":5`}, {`"height":"0x5"`, `"height":"5"`}, {`"height":"0x5"`, `"height":"-0x5"`},
		{`"height":"0x5"`, `"height":"0x10000000000000000"`}, {`"slot":"0x6"`, `"slot":"0x06"`},
		{`"slot":"0x6"`, `"slot":NaN`}, {`"hash":"0x`, `"hash":"0x00`}, {`["0x`, `[null,"0x`}, {`["0x`, `["0x00`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		require.NotEqual(t, good, bad)
		_, err := decodeBlock("m", []byte(bad))
		require.ErrorIs(t, err, ErrMalformed, bad)
	}
}

// Each read returns the error of a node that answers none.
func TestEveryReadTellsItsError(t *testing.T) {
	c := serveHTTP(t, Config{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for name, read := range map[string]func() (any, error){
		"Latest":               func() (any, error) { return c.Latest(t.Context()) },
		"BlockByHash":          func() (any, error) { return c.BlockByHash(t.Context(), common.Hash{}) },
		"BlocksByHash":         func() (any, error) { return c.BlocksByHash(t.Context(), []common.Hash{{}}) },
		"BlocksByNumber":       func() (any, error) { return c.BlocksByNumber(t.Context(), 1, 2) },
		"CoordinatedState":     func() (any, error) { return c.CoordinatedState(t.Context()) },
		"CoordinatedSyncing":   func() (any, error) { return c.CoordinatedSyncing(t.Context()) },
		"WatInfo":              func() (any, error) { return c.WatInfo(t.Context()) },
		"ValidateFinalization": func() (any, error) { return c.ValidateFinalization(t.Context(), nil) },
		"Peers":                func() (any, error) { return c.Peers(t.Context()) },
		"ValidateSpines":       func() (any, error) { return c.ValidateSpines(t.Context(), nil) },
		"SyncSlotInfo":         func() (any, error) { return c.SyncSlotInfo(t.Context(), SlotInfo{}) },
		"Candidates":           func() (any, error) { return c.Candidates(t.Context(), 1) },
		"Syncing":              func() (any, error) { return c.Syncing(t.Context()) },
		"BlockNumber":          func() (any, error) { return c.BlockNumber(t.Context()) },
		"PeerCount":            func() (any, error) { return c.PeerCount(t.Context()) },
		"ChainID":              func() (any, error) { return c.ChainID(t.Context()) },
		"ClientVersion":        func() (any, error) { return c.ClientVersion(t.Context()) },
	} {
		out, err := read()
		require.ErrorIs(t, err, ErrHTTPStatus, name)
		require.Empty(t, out, name)
	}
}
