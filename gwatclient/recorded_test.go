package gwatclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// recorded is an exchange with a real node; want says in words what the typed
// call must make of the answer.
type recorded struct {
	From       string          `json:"from"`
	Method     string          `json:"method"`
	Params     json.RawMessage `json:"params"`
	Result     json.RawMessage `json:"result"`
	Error      json.RawMessage `json:"error"`
	Body       *string         `json:"body"`
	HTTPStatus int             `json:"httpStatus"`
	Note       string          `json:"note"`
	Want       string          `json:"want"`
}

func loadRecorded(t testing.TB) []recorded {
	t.Helper()
	file, err := os.Open("testdata/recorded.jsonl")
	require.NoError(t, err)
	defer file.Close()
	var all []recorded
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var one recorded
		require.NoError(t, json.Unmarshal(lines.Bytes(), &one))
		all = append(all, one)
	}
	require.Len(t, all, 108)
	return all
}

// wantErrors holds sentinel and kind of each error named in the recordings.
var wantErrors = map[string]struct{ sentinel, kind error }{
	"ErrLocked":          {ErrLocked, failure.RetryLater},
	"ErrNotReady":        {ErrNotReady, failure.Abort},
	"ErrBadParams":       {ErrBadParams, failure.Abort},
	"ErrUnknownSpine":    {ErrUnknownSpine, failure.RetryLater},
	"ErrNotFinalized":    {ErrNotFinalized, failure.RetryLater},
	"ErrBadNumber":       {ErrBadNumber, failure.Abort},
	"ErrSpineNotFound":   {ErrSpineNotFound, failure.RetryLater},
	"ErrSynchronization": {ErrSynchronization, failure.RetryLater},
	"ErrRPC":             {ErrRPC, failure.RetryLater},
	"ErrMethod":          {ErrMethod, failure.NeedsHuman},
	"ErrInvalidParams":   {ErrInvalidParams, failure.Abort},
	"ErrMalformed":       {ErrMalformed, failure.RetryLater},
	"ErrHTTPStatus":      {ErrHTTPStatus, failure.RetryLater},
	"ErrUnauthorized":    {ErrUnauthorized, failure.NeedsHuman},
}

// typedCall makes the typed call of a method and words what it returned.
func typedCall(ctx context.Context, c *Client, method string, params json.RawMessage) (string, error) {
	var infos []checkpoint.ConsensusInfo
	_ = json.Unmarshal(params, &infos)
	info := append(infos, checkpoint.ConsensusInfo{})[0]
	say := func(v any, err error) (string, error) { return fmt.Sprint(v), err }
	switch method {
	case "dag_headSync":
		return say(c.Changes(permit).HeadSync(ctx, nil))
	case "dag_validateSpines":
		return say(c.ValidateSpines(ctx, nil))
	case "dag_syncSlotInfo":
		return say(c.SyncSlotInfo(ctx, SlotInfo{1795206842, 4, 32}))
	case "dag_sync":
		list, err := c.Changes(permit).Sync(ctx, info)
		return fmt.Sprint("candidates ", len(list)), err
	case "dag_getCandidates":
		list, err := c.Candidates(ctx, 5)
		return fmt.Sprint("candidates ", len(list)), err
	case "dag_finalize":
		return "ok", c.Changes(permit).Finalize(ctx, nil)
	case "eth_syncing":
		s, err := c.Syncing(ctx)
		if !s.Syncing {
			return "idle", err
		}
		return fmt.Sprint(s.Stage, " ", s.CurrentBlock, s.HighestBlock, s.LastCoordSlot, s.MaxBlockSlot), err
	case "eth_getBlockByNumber":
		block, err := c.Latest(ctx)
		return sayBlock(block), err
	case "eth_getBlockByHash":
		var args []json.RawMessage
		_ = json.Unmarshal(params, &args)
		var hash common.Hash
		_ = json.Unmarshal(args[0], &hash)
		block, err := c.BlockByHash(ctx, hash)
		return sayBlock(block), err
	case "eth_blockNumber":
		return say(c.BlockNumber(ctx))
	case "net_peerCount":
		return say(c.PeerCount(ctx))
	case "eth_chainId":
		return say(c.ChainID(ctx))
	case "web3_clientVersion":
		return c.ClientVersion(ctx)
	default: // dag_headSyncReady, and names that no node serves
		return say(c.Changes(permit).HeadSyncReady(ctx, info))
	}
}

func sayBlock(b *Block) string {
	if b == nil {
		return "none"
	}
	return fmt.Sprint("block ", b.Hash.Hex()[:10], " ", *b.Number, b.Height, b.Slot, len(b.Parents))
}

func checkRecorded(t *testing.T, one recorded, got string, err error) {
	t.Helper()
	want, isError := wantErrors[one.Want]
	if !isError {
		require.NoError(t, err)
		require.Equal(t, one.Want, got)
		return
	}
	require.ErrorIs(t, err, want.sentinel)
	require.Equal(t, want.kind, failure.Kind(err))
	for name, other := range wantErrors {
		require.Equal(t, name == one.Want, errors.Is(err, other.sentinel), "%v is also %s", err, name)
	}
	// The node's own text stays in the message.
	var said struct{ Message string }
	if one.Error != nil {
		require.NoError(t, json.Unmarshal(one.Error, &said))
	}
	if one.Body != nil {
		said.Message = strings.TrimSpace(*one.Body)
	}
	require.Contains(t, err.Error(), said.Message)
}

func TestRecordedAnswers(t *testing.T) {
	all := loadRecorded(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			var current atomic.Pointer[recorded]
			client := serve(t, transport, Config{}, func(req request) []byte {
				one := current.Load()
				if one.Error != nil {
					return answer(req, "error", one.Error)
				}
				return answer(req, "result", one.Result)
			})
			for _, one := range all {
				current.Store(&one)
				if one.Body != nil {
					continue // HTTP's own, below
				}
				t.Run(one.From+" "+one.Note, func(t *testing.T) {
					got, err := typedCall(t.Context(), client, one.Method, one.Params)
					checkRecorded(t, one, got, err)
				})
			}
		})
	}
}

func TestRecordedHTTPAnswers(t *testing.T) {
	var current atomic.Pointer[recorded]
	client := serveHTTP(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		one := current.Load()
		_, _ = io.Copy(io.Discard, r.Body)
		if one.HTTPStatus != 0 {
			w.WriteHeader(one.HTTPStatus)
		}
		_, _ = io.WriteString(w, *one.Body)
	})
	for _, one := range loadRecorded(t) {
		current.Store(&one)
		if one.Body == nil {
			continue
		}
		t.Run(one.From+" "+one.Note, func(t *testing.T) {
			got, err := typedCall(t.Context(), client, one.Method, one.Params)
			checkRecorded(t, one, got, err)
		})
	}
}
