package gwatclient

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/failure/failuretest"
	"github.com/gwatsync/syncd/gwatclient/jsonrpc"
)

// fuzzedCall makes a typed call and checks what it makes of an answer.
type fuzzedCall struct {
	method string
	call   func(t *testing.T, ctx context.Context, c *Client) error
}

var fuzzedCalls = []fuzzedCall{
	{"dag_headSyncReady", func(t *testing.T, ctx context.Context, c *Client) error {
		return falseOr(t)(c.Changes(permit).HeadSyncReady(ctx, checkpoint.ConsensusInfo{}))
	}},
	{"dag_headSync", func(t *testing.T, ctx context.Context, c *Client) error {
		return falseOr(t)(c.Changes(permit).HeadSync(ctx, nil))
	}},
	{"dag_validateSpines", func(t *testing.T, ctx context.Context, c *Client) error {
		return falseOr(t)(c.ValidateSpines(ctx, []common.Hash{{1}}))
	}},
	{"dag_syncSlotInfo", func(t *testing.T, ctx context.Context, c *Client) error {
		return falseOr(t)(c.SyncSlotInfo(ctx, SlotInfo{1, 4, 32}))
	}},
	{"dag_sync", func(t *testing.T, ctx context.Context, c *Client) error {
		list, err := c.Changes(permit).Sync(ctx, checkpoint.ConsensusInfo{})
		require.False(t, err != nil && list != nil, "candidates and an error")
		return err
	}},
	{"dag_getCandidates", func(t *testing.T, ctx context.Context, c *Client) error {
		list, err := c.Candidates(ctx, 5)
		require.False(t, err != nil && list != nil, "candidates and an error")
		return err
	}},
	{"dag_finalize", func(_ *testing.T, ctx context.Context, c *Client) error { return c.Changes(permit).Finalize(ctx, nil) }},
	{"eth_syncing", func(t *testing.T, ctx context.Context, c *Client) error {
		s, err := c.Syncing(ctx)
		if err != nil || !s.Syncing {
			require.Equal(t, SyncStatus{}, s)
			return err
		}
		require.Contains(t, []Stage{StageFinalized, StageDAG, StageHead, StageResync, StageNone}, s.Stage)
		return nil
	}},
	{"eth_getBlockByNumber", func(t *testing.T, ctx context.Context, c *Client) error {
		b, err := c.Latest(ctx)
		require.Equal(t, err == nil, b != nil)
		if err == nil {
			require.True(t, b.Final())
			requireBlock(t, b)
		}
		return err
	}},
	{"eth_getBlockByHash", func(t *testing.T, ctx context.Context, c *Client) error {
		b, err := c.BlockByHash(ctx, hashOf(5))
		require.False(t, err != nil && b != nil, "a block and an error")
		if b != nil {
			require.Equal(t, hashOf(5), b.Hash)
			requireBlock(t, b)
		}
		return err
	}},
	{"eth_getBlockByHash batch", func(t *testing.T, ctx context.Context, c *Client) error {
		list, err := c.BlocksByHash(ctx, []common.Hash{hashOf(5), hashOf(5)})
		return requireBlocks(t, list, err, 2, func(b *Block) { require.Equal(t, hashOf(5), b.Hash) })
	}},
	{"eth_getBlockByNumber batch", func(t *testing.T, ctx context.Context, c *Client) error {
		list, err := c.BlocksByNumber(ctx, 5, 5)
		return requireBlocks(t, list, err, 1, func(b *Block) { require.EqualValues(t, 5, *b.Number) })
	}},
	{"eth_chainId", func(_ *testing.T, ctx context.Context, c *Client) error { _, err := c.ChainID(ctx); return err }},
	{"eth_blockNumber", func(_ *testing.T, ctx context.Context, c *Client) error { _, err := c.BlockNumber(ctx); return err }},
	{"net_peerCount", func(_ *testing.T, ctx context.Context, c *Client) error { _, err := c.PeerCount(ctx); return err }},
	{"web3_clientVersion", func(t *testing.T, ctx context.Context, c *Client) error {
		version, err := c.ClientVersion(ctx)
		failuretest.RequireText(t, version, failure.MaxText+len("…"))
		return err
	}},
}

// falseOr requires that an error never comes with true.
func falseOr(t *testing.T) func(bool, error) error {
	return func(ok bool, err error) error {
		require.False(t, ok && err != nil, "true and an error")
		return err
	}
}

func requireBlocks(t *testing.T, list []*Block, err error, n int, each func(*Block)) error {
	if err != nil {
		require.Nil(t, list)
		return err
	}
	require.Len(t, list, n)
	for _, b := range list {
		if b != nil {
			each(b)
			requireBlock(t, b)
		}
	}
	return nil
}

// requireBlock: a block that is written as gwat writes it reads back as the same.
func requireBlock(t *testing.T, b *Block) {
	require.Equal(t, b.IsSpine(), b.Final() && *b.Number == b.Height)
	raw, err := json.Marshal(map[string]any{
		"hash": b.Hash, "number": (*hexutil.Uint64)(b.Number), "height": hexutil.Uint64(b.Height),
		"slot": hexutil.Uint64(b.Slot), "parentHashes": b.Parents,
	})
	require.NoError(t, err)
	back, err := decodeBlock("m", raw)
	require.NoError(t, err)
	require.Equal(t, b, back)
}

// inMemory answers requests with a status and a body, without a network.
type inMemory func(request []byte) (int, []byte)

func (f inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	status, body := f(sent)
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: req,
	}, nil
}

// fuzzedBody is well over what the fuzzer makes, and small enough to be met by seeds.
const fuzzedBody = 1 << 20

// clientOver returns a client over a node in memory.
func clientOver(t *testing.T, node inMemory) *Client {
	c, err := New(Config{Endpoint: "http://fuzz", Timeout: time.Minute, MaxBody: fuzzedBody, Transport: node})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// The ways an answer is given to FuzzGwatAnswer; any other one is an HTTP status.
const (
	asResult = 0
	asError  = 1
)

// FuzzGwatAnswer answers every typed call with a result, an error or a whole HTTP body
// of any form.
func FuzzGwatAnswer(f *testing.F) {
	for _, one := range loadRecorded(f) {
		for i, c := range fuzzedCalls {
			method, _, _ := strings.Cut(c.method, " ")
			switch {
			case method != one.Method:
			case one.Body != nil:
				f.Add(uint8(i), uint16(max(one.HTTPStatus, http.StatusOK)), []byte(*one.Body))
			case one.Error != nil:
				f.Add(uint8(i), uint16(asError), []byte(one.Error))
			default:
				f.Add(uint8(i), uint16(asResult), []byte(one.Result))
			}
		}
	}
	for i := range fuzzedCalls {
		f.Add(uint8(i), uint16(asResult), blockJSON(5, hashOf(5), 0))
		f.Add(uint8(i), uint16(asResult), []byte(`1`+strings.Repeat("0", 5000)))
		f.Add(uint8(i), uint16(asResult), []byte(strings.Repeat("[", 20_000)))
		f.Add(uint8(i), uint16(asError), []byte(`{"code":1e999,"message":"`+strings.Repeat("x", 5000)+`"}`))
		f.Add(uint8(i), uint16(200), []byte(`{"jsonrpc":"2.0","id":1,"result":null,"error":null}`))
	}
	f.Fuzz(func(t *testing.T, call uint8, way uint16, body []byte) {
		client := clientOver(t, func(sent []byte) (int, []byte) {
			switch way {
			case asResult:
				return http.StatusOK, respond(sent, func(req request) []byte { return answer(req, "result", body) })
			case asError:
				return http.StatusOK, respond(sent, func(req request) []byte { return answer(req, "error", body) })
			}
			return 200 + int(way)%400, body
		})
		c := fuzzedCalls[int(call)%len(fuzzedCalls)]
		failuretest.RequireTold(t, c.call(t, t.Context(), client))
	})
}

// FuzzGwatStream answers a call over a stream (IPC) with any bytes, in two
// parts, and then the end of the connection.
func FuzzGwatStream(f *testing.F) {
	const good = `{"jsonrpc":"2.0","id":1,"result":"0x5"}`
	for _, stream := range []string{
		good, " \n" + good + good, good[:20], `[` + good + `]`, `5`, `"x`, `{"a":"\"}`, `}`, `]]]]`, strings.Repeat("[", 5000),
		`{"jsonrpc":"2.0","method":"m","params":[]}`, `{"jsonrpc":"2.0","id":9,"method":"web3_clientVersion"}`, `nul`, `1e999`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"procedure is locked"}}`,
	} {
		f.Add([]byte(stream), uint16(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, split uint16) {
		near, far := net.Pipe()
		at, err := endpoint.Gwat.Parse("fuzz")
		require.NoError(t, err)
		over := jsonrpc.New(jsonrpc.Config{Endpoint: at, Timeout: time.Minute, MaxBody: 4 << 10,
			Dial: func(context.Context) (net.Conn, error) { return near, nil }})
		c := &Client{masked: "fuzz", timeout: time.Minute, reads: over, changes: over}
		node := make(chan struct{})
		go func() {
			defer close(node)
			defer far.Close()
			var req json.RawMessage
			if json.NewDecoder(far).Decode(&req) != nil {
				return
			}
			// What the client still writes is read: a pipe would block it.
			go func() { _, _ = io.Copy(io.Discard, far) }()
			at := min(int(split), len(stream))
			if _, err := far.Write(stream[:at]); err == nil {
				_, _ = far.Write(stream[at:])
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		failuretest.RequireTold(t, falseOr(t)(c.Changes(permit).HeadSync(ctx, nil)))
		require.NoError(t, ctx.Err(), "the end of the connection did not end the call")
		c.Close()
		<-node
	})
}
