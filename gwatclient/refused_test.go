package gwatclient

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

const noBatches = `"error":{"code":-32600,"message":"batch requests are not supported on this plan"}}`

// TestBatchRefused: the single error that answers a batch reaches the caller.
func TestBatchRefused(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"200, null id": status(200, `{"jsonrpc":"2.0","id":null,`+noBatches),
		"400, null id": status(400, `{"jsonrpc":"2.0","id":null,`+noBatches),
		"200, no id":   status(200, `{"jsonrpc":"2.0",`+noBatches),
		"400, an id":   status(400, `{"jsonrpc":"2.0","id":1,`+noBatches),
		"413, a list":  status(413, `[{"jsonrpc":"2.0","id":null,`+noBatches+`]`),
		"200, a list":  status(200, `[{"jsonrpc":"2.0","id":1,`+noBatches+`]`),
	} {
		t.Run(name, func(t *testing.T) {
			requireBatchRefused(t, serveHTTP(t, Config{}, handler))
		})
	}
	for _, transport := range []string{"ws", "ipc"} {
		for name, raw := range map[string]string{"null id": `{"jsonrpc":"2.0","id":null,` + noBatches, "an id": `{"jsonrpc":"2.0","id":1,` + noBatches} {
			t.Run(transport+", "+name, func(t *testing.T) {
				client := serveRaw(t, transport, Config{}, func(req []byte) []byte {
					if req[0] != '[' {
						return respond(req, result(`"0x7"`))
					}
					return []byte(raw)
				})
				requireBatchRefused(t, client)
				_, err := client.ChainID(t.Context())
				require.NoError(t, err)
			})
		}
	}
}

func requireBatchRefused(t *testing.T, client *Client) {
	t.Helper()
	err := client.ProbeBatch(t.Context())
	require.ErrorIs(t, err, ErrBatchRefused)
	require.ErrorIs(t, err, ErrMalformed)
	require.ErrorIs(t, err, failure.NeedsHuman)
	require.ErrorContains(t, err, "batch requests are not supported on this plan")
	require.ErrorContains(t, err, "eth_chainId")
}

func TestBatchAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		code     int
		body     string
		sentinel error
		says     string
	}{
		"good":              {200, `[{"id":2,"result":"0x1"},{"id":1,"result":"0x1"}]`, nil, ""},
		"another error":     {200, `{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"out of memory"}}`, ErrRPC, "out of memory"},
		"a single result":   {200, `{"jsonrpc":"2.0","id":1,"result":"0x1"}`, ErrMalformed, "single result"},
		"no error object":   {200, `{"jsonrpc":"2.0","id":1,"error":"no"}`, ErrMalformed, "error object"},
		"400 of a proxy":    {400, "bad request", ErrHTTPStatus, "bad request"},
		"502 with an error": {502, `{"jsonrpc":"2.0","id":1,` + noBatches, ErrHTTPStatus, "502"},
		"one of two":        {200, `[{"id":1,"result":"0x1"}]`, ErrMalformed, "lacks call 2 of 2"},
		"twice the first":   {200, `[{"id":1,"result":"0x1"},{"id":1,"result":"0x1"}]`, ErrMalformed, "lacks call 2 of 2"},
		"an id too high":    {200, `[{"id":1,"result":"0x1"},{"id":3,"result":"0x1"}]`, ErrMalformed, "lacks call 2 of 2"},
		"an id of zero":     {200, `[{"id":0,"result":"0x1"},{"id":2,"result":"0x1"}]`, ErrMalformed, "lacks call 1 of 2"},
	} {
		t.Run(name, func(t *testing.T) {
			err := serveHTTP(t, Config{}, status(tt.code, tt.body)).ProbeBatch(t.Context())
			require.ErrorIs(t, err, tt.sentinel)
			if tt.sentinel != nil {
				require.NotErrorIs(t, err, ErrBatchRefused)
				require.ErrorContains(t, err, tt.says)
			}
		})
	}
}

// TestSmallerBatches: an endpoint that takes few calls a batch is asked for few.
func TestSmallerBatches(t *testing.T) {
	client := serveRaw(t, "http", Config{}, func(raw []byte) []byte {
		var reqs []request
		if json.Unmarshal(raw, &reqs) == nil && len(reqs) > 20 {
			return []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}`)
		}
		return respond(raw, blockScript(0))
	})
	blocks, err := client.BlocksByNumber(t.Context(), 0, 149)
	require.NoError(t, err)
	require.Len(t, blocks, 150)
	require.EqualValues(t, 149, *blocks[149].Number)
}

// TestRateLimit: after a 429 nothing is sent for as long as the server asked.
func TestRateLimit(t *testing.T) {
	for _, scheme := range []string{"http", "ws"} {
		t.Run(scheme, func(t *testing.T) {
			var limited atomic.Bool
			var requests atomic.Int32
			limited.Store(true)
			inner := scriptHandler(result(`true`))
			client := serveHTTP(t, Config{Endpoint: scheme}, func(w http.ResponseWriter, r *http.Request) {
				first := requests.Add(1) == 1
				if limited.Load() {
					if first {
						w.Header().Set("Retry-After", "1")
					}
					w.WriteHeader(http.StatusTooManyRequests)
					_, _ = io.WriteString(w, "slow down")
					return
				}
				inner(w, r)
			})
			_, err := client.ValidateSpines(t.Context(), nil)
			require.ErrorIs(t, err, failure.ErrRateLimited)
			require.ErrorIs(t, err, ErrHTTPStatus)
			require.NotErrorIs(t, err, ErrDown)
			require.Equal(t, failure.RetryLater, failure.Kind(err))
			require.ErrorContains(t, err, "no further request for 1s: slow down")
			limited.Store(false)

			for _, call := range []func() error{
				func() error {
					_, err := client.Changes(permit).HeadSyncReady(t.Context(), checkpoint.ConsensusInfo{})
					return err
				},
				func() error { return client.ProbeBatch(t.Context()) },
			} {
				err := call()
				require.ErrorIs(t, err, failure.ErrRateLimited)
				require.ErrorIs(t, err, ErrDown, "nothing was sent")
				require.False(t, PossiblyDone(err))
				require.Equal(t, failure.RetryLater, failure.Kind(err))
				require.ErrorContains(t, err, "goes out in 1s")
			}
			require.EqualValues(t, 1, requests.Load())
			require.Eventually(t, func() bool {
				known, err := client.ValidateSpines(t.Context(), nil)
				return known && err == nil
			}, 10*time.Second, 20*time.Millisecond)
			require.EqualValues(t, 2, requests.Load())
			if scheme == "ws" {
				return // the connection stands, and is not limited
			}
			limited.Store(true)
			_, err = client.ValidateSpines(t.Context(), nil)
			require.ErrorContains(t, err, "no further request for 1s", "an answer came between: the pauses begin again")
		})
	}
}

// TestRateLimitInAJSONRPCError: providers refuse a call because of their number with HTTP
// status 200, too. The same code for an answer that is too large is none of that.
func TestRateLimitInAJSONRPCError(t *testing.T) {
	for refusal, limited := range map[string]bool{
		`{"code":-32005,"message":"daily request count exceeded, request rate limited","data":{"rate":{}}}`: true,
		`{"code":-32005,"message":"Limit exceeded"}`:                                                        true,
		`{"code":429,"message":"Your app has exceeded its compute units per second capacity"}`:              true,
		`{"code":-32005,"message":"query returned more than 10000 results"}`:                                false,
		`{"code":-32000,"message":"request rate limited"}`:                                                  false,
	} {
		for _, batch := range []bool{false, true} {
			var asked atomic.Int32
			client := serveRaw(t, "http", Config{}, func(raw []byte) []byte {
				asked.Add(1)
				if batch {
					return []byte(`{"jsonrpc":"2.0","id":null,"error":` + refusal + `}`)
				}
				return respond(raw, func(req request) []byte { return answer(req, "error", json.RawMessage(refusal)) })
			})
			call := func() error { _, err := client.ChainID(t.Context()); return err }
			if batch {
				call = func() error { return client.ProbeBatch(t.Context()) }
			}
			err := call()
			require.Equal(t, limited, errors.Is(err, failure.ErrRateLimited), "%v", err)
			require.Equal(t, failure.RetryLater, failure.Kind(err))
			require.False(t, PossiblyDone(err))
			again := call()
			require.Equal(t, limited, errors.Is(again, ErrDown), "%v", again)
			if limited {
				require.ErrorContains(t, err, "no further request for 1s")
				require.EqualValues(t, 1, asked.Load())
			}
		}
	}
}
