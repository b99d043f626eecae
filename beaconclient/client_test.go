package beaconclient

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

func body(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		says string
	}{
		"empty":            {Config{}, "empty"},
		"no scheme":        {Config{URL: "localhost:3500"}, "http://host:port"},
		"other scheme":     {Config{URL: "ws://host:3500"}, `"ws"`},
		"no host":          {Config{URL: "http://:3500"}, "no host"},
		"no URL":           {Config{URL: "http://user:hidden@host:port"}, "does not parse"},
		"port too high":    {Config{URL: "http://h:65536"}, "65536: want 1 to 65535"},
		"port 0":           {Config{URL: "https://h:0"}, "the port 0"},
		"query":            {Config{URL: "http://host?x=hidden"}, "query"},
		"negative timeout": {Config{URL: "http://h", Timeout: -1}, "negative"},
		"negative limit":   {Config{URL: "http://h", MaxBody: -1}, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.cfg)
			require.ErrorContains(t, err, tt.says)
			require.Equal(t, failure.NeedsHuman, failure.Kind(err))
			require.NotContains(t, err.Error(), "hidden")
		})
	}
}

func TestURLAndBasePath(t *testing.T) {
	client, err := New(Config{URL: "https://user:hidden@host:1/base"})
	require.NoError(t, err)
	defer client.Close()
	require.Equal(t, "https://***@host:1/base", client.URL())

	based := serve(t, Config{URL: "/base/"}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/base/eth/v1/node/version" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, `{"data":{"version":"x"}}`)
	})
	version, err := based.Version(t.Context())
	require.NoError(t, err)
	require.Equal(t, "x", version)
	_, err = based.Syncing(t.Context())
	require.ErrorIs(t, err, ErrWrongEndpoint)
	require.ErrorContains(t, err, "/eth/v1/node/syncing")
}

func TestFaults(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		chunk := strings.Repeat("[", 32<<10)
		for sent := 0; sent < 1<<30 && r.Context().Err() == nil; sent += len(chunk) {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	}
	slow := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"data":`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	half := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"data":`)
	}
	tests := []struct {
		name     string
		handler  http.HandlerFunc
		sentinel error
		kind     error
	}{
		{"a gibibyte", endless, ErrTooLarge, failure.RetryLater},
		{"slow body", slow, ErrLost, failure.RetryNow},
		{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ErrLost, failure.RetryNow},
		{"half", half, ErrLost, failure.RetryNow},
		{"reset", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, ErrLost, failure.RetryNow},
		{"bad gateway", body(502, "<html>"), ErrHTTPStatus, failure.RetryLater},
		{"no content", body(204, ""), ErrHTTPStatus, failure.RetryLater},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, ErrHTTPStatus, failure.RetryLater},
		{"bad request", body(400, `{"message":"bad id","code":400}`), ErrBadRequest, failure.RetryLater},
		{"not found", body(404, `{"message":"State not found","code":404}`), ErrNotFound, failure.RetryNow},
		{"no such page", body(404, "404 page not found\n"), ErrWrongEndpoint, failure.RetryLater},
		{"a web page", body(200, "<html>"), ErrWrongEndpoint, failure.RetryLater},
		{"empty, as gwat answers", body(200, ""), ErrWrongEndpoint, failure.RetryLater},
		{"internal", body(500, `{"message":"broken","code":500}`), ErrHTTPStatus, failure.RetryLater},
		{"no data", body(200, `{}`), ErrMalformed, failure.RetryLater},
		{"null data", body(200, `{"data":null}`), ErrMalformed, failure.RetryLater},
		{"a list", body(200, `{"data":[]}`), ErrMalformed, failure.RetryLater},
		{"deep", body(200, `{"data":`+strings.Repeat(`[`, 20000)+strings.Repeat(`]`, 20000)+`}`), ErrMalformed, failure.RetryLater},
		{"cut", body(200, `{"data":{"head_slot":"1"`), ErrMalformed, failure.RetryLater},
		{"trailing", body(200, `{"data":{}}{}`), ErrMalformed, failure.RetryLater},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := serve(t, Config{Timeout: 200 * time.Millisecond, MaxBody: 100_000}, tt.handler)
			_, err := client.Syncing(t.Context())
			require.ErrorIs(t, err, tt.sentinel)
			require.Equal(t, tt.kind, failure.Kind(err), "%v", err)
			require.Less(t, len(err.Error()), 1000)
			require.ErrorContains(t, err, "/eth/v1/node/syncing")
		})
	}
}

func TestDownClosedCancelled(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener.Close()
	down, err := New(Config{URL: "http://user:hidden@" + listener.Addr().String()})
	require.NoError(t, err)
	_, err = down.Version(t.Context())
	require.ErrorIs(t, err, ErrDown)
	require.Equal(t, failure.RetryLater, failure.Kind(err))
	require.NotContains(t, err.Error(), "hidden")
	down.Close()
	_, err = down.Version(t.Context())
	require.ErrorIs(t, err, ErrDown)
	_, open := <-down.Events(t.Context(), StreamOptions{})
	require.False(t, open)

	got := make(chan struct{}, 4)
	client := serve(t, Config{}, func(_ http.ResponseWriter, r *http.Request) {
		got <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-got; cancel() }()
	_, err = client.Version(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, ErrLost)
	_, err = client.Version(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrLost)
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var reached atomic.Bool
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer target.Close()
	client := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	})
	_, err := client.Version(t.Context())
	require.ErrorIs(t, err, ErrHTTPStatus)
	require.False(t, reached.Load())
}

// TestStrictFields changes one thing at a time in a good answer.
func TestStrictFields(t *testing.T) {
	hash := "0x" + strings.Repeat("ab", 32)
	row := "0x" + strings.Repeat("cd", 64)
	calls := []struct {
		name, good string
		call       func(context.Context, *Client) error
		fields     []string
	}{
		{"syncing", `{"data":{"head_slot":"9","sync_distance":"0","is_syncing":false}}`,
			func(ctx context.Context, c *Client) error { _, err := c.Syncing(ctx); return err },
			[]string{"head_slot", "sync_distance", "is_syncing"}},
		{"peers", `{"data":{"connected":"9","connecting":"0"}}`,
			func(ctx context.Context, c *Client) error { _, err := c.PeerCount(ctx); return err },
			[]string{"connected", "connecting"}},
		{"version", `{"data":{"version":"x"}}`,
			func(ctx context.Context, c *Client) error { _, err := c.Version(ctx); return err }, []string{"version"}},
		{"header", `{"data":{"root":"` + hash + `","canonical":true,"header":{"message":{"slot":"9","parent_root":"` + hash + `"}}}}`,
			func(ctx context.Context, c *Client) error { _, err := c.Header(ctx, Head); return err },
			[]string{"root", "canonical", "slot", "parent_root"}},
		{"block", `{"data":{"message":{"slot":"9","parent_root":"` + hash + `","body":{"eth1_data":{"candidates":"","finalization":"` + row + `"}}}}}`,
			func(ctx context.Context, c *Client) error { _, err := c.Block(ctx, AtSlot(9)); return err },
			[]string{"slot", "parent_root", "candidates", "finalization"}},
		{"finality", `{"data":{"previous_justified":{"epoch":"9","root":"` + hash + `"},"current_justified":{"epoch":"2","root":"` + hash + `"},"finalized":{"epoch":"1","root":"` + hash + `"}}}`,
			func(ctx context.Context, c *Client) error { _, err := c.Finality(ctx, StateHead); return err },
			[]string{"previous_justified", "current_justified", "finalized", "epoch", "root"}},
		{"committees", `{"data":[{"slot":"9","index":"0","validators":["1"]}]}`,
			func(ctx context.Context, c *Client) error { _, err := c.Committees(ctx, StateHead, 1); return err },
			[]string{"slot", "index", "validators"}},
		{"validators", `{"data":[{"index":"9","validator":{"withdrawal_credentials":"` + hash + `"}}]}`,
			func(ctx context.Context, c *Client) error {
				_, err := c.WithdrawalCredentials(ctx, StateHead, []uint64{9})
				return err
			},
			[]string{"index", "withdrawal_credentials"}},
	}
	for _, tt := range calls {
		t.Run(tt.name, func(t *testing.T) {
			var text atomic.Value
			client := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text.Load().(string)) })
			text.Store(tt.good)
			require.NoError(t, tt.call(t.Context(), client))
			text.Store(strings.Replace(tt.good, `{"data":`, `{"new":{"a":[1]},"data":`, 1))
			require.NoError(t, tt.call(t.Context(), client), "unknown fields do not matter")
			var bad []string
			for _, field := range tt.fields {
				bad = append(bad, strings.Replace(tt.good, `"`+field+`"`, `"gone"`, 1))
			}
			for _, wrong := range []string{`9`, `-9`, `NaN`, `"-9"`, `"NaN"`, `""`, `"9.0"`, `"0x9"`, `" 9"`, `"18446744073709551616"`, `null`, `{}`, `true`} {
				bad = append(bad, strings.Replace(tt.good, `"9"`, wrong, 1))
			}
			for _, wrong := range []string{`"0xab"`, `"` + hash[2:] + `"`, `"` + hash + `00"`, `"0x` + strings.Repeat("zz", 32) + `"`, `5`, `null`} {
				bad = append(bad, strings.Replace(tt.good, `"`+hash+`"`, wrong, 1))
			}
			for _, wrong := range []string{`"` + row[2:] + `"`, `"` + row + `00"`, `"0x` + strings.Repeat("ab", 32*129) + `"`, `"0x` + strings.Repeat("zz", 32) + `"`, `5`, `[]`, `null`} {
				bad = append(bad, strings.Replace(tt.good, `"`+row+`"`, wrong, 1))
			}
			for _, one := range bad {
				if one == tt.good {
					continue
				}
				text.Store(one)
				require.ErrorIs(t, tt.call(t.Context(), client), ErrMalformed, one)
			}
		})
	}
}

func TestAnswersThatContradict(t *testing.T) {
	hash := "0x" + strings.Repeat("ab", 32)
	header := serve(t, Config{}, body(200, `{"data":{"root":"`+hash+`","canonical":true,"header":{"message":{"slot":"9","parent_root":"`+hash+`"}}}}`))
	_, err := header.Header(t.Context(), AtSlot(8))
	require.ErrorIs(t, err, ErrMalformed)
	_, err = header.Header(t.Context(), AtRoot(common.Hash{1}))
	require.ErrorIs(t, err, ErrMalformed)
	_, err = header.Header(t.Context(), AtRoot(common.HexToHash(hash)))
	require.NoError(t, err)
	block := serve(t, Config{}, body(200, `{"data":{"message":{"slot":"9","parent_root":"`+hash+`","body":{"eth1_data":{"candidates":"0x","finalization":"0x`+strings.Repeat("ab", 32*128)+`"}}}}}`))
	full, err := block.Block(t.Context(), AtSlot(9))
	require.NoError(t, err)
	require.Empty(t, full.Candidates)
	require.Len(t, full.Finalization, 128)
	_, err = block.Block(t.Context(), AtSlot(8))
	require.ErrorIs(t, err, ErrMalformed)
	require.Equal(t, StateID("64"), StateAtSlot(64))
}

func TestSpec(t *testing.T) {
	for name, tt := range map[string]struct {
		spec, genesis string
		is            error
	}{
		"good":             {specJSON, genesisJSON, nil},
		"odd values":       {strings.Replace(specJSON, `"pyrmont"`, `[1,{"a":2}]`, 1), genesisJSON, nil},
		"of no era":        {strings.Replace(specJSON, "CREATORS_PER_SLOT", "X", 1), genesisJSON, ErrMalformed},
		"zero creators":    {strings.Replace(specJSON, `CREATORS_PER_SLOT":"4"`, `CREATORS_PER_SLOT":"0"`, 1), genesisJSON, ErrMalformed},
		"zero slots":       {strings.Replace(specJSON, `"32"`, `"0"`, 1), genesisJSON, checkpoint.ErrBadSpec},
		"no genesis":       {specJSON, `{"data":{}}`, ErrMalformed},
		"genesis later":    {specJSON, `{"data":{"genesis_time":"18446744073709551615"}}`, checkpoint.ErrBadSpec},
		"genesis no JSON":  {specJSON, `x`, ErrMalformed},
		"spec is no map":   {`{"data":[]}`, genesisJSON, ErrMalformed},
		"number as number": {strings.Replace(specJSON, `"32"`, `32`, 1), genesisJSON, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "genesis") {
					_, _ = io.WriteString(w, tt.genesis)
					return
				}
				_, _ = io.WriteString(w, tt.spec)
			})
			spec, err := client.Spec(t.Context())
			if tt.is == nil {
				require.NoError(t, err)
				require.EqualValues(t, 32, spec.SlotsPerEpoch)
				return
			}
			require.ErrorIs(t, err, tt.is)
			require.ErrorIs(t, err, ErrMalformed)
			require.Zero(t, spec)
		})
	}
}

func TestCredentialsInChunks(t *testing.T) {
	var requests atomic.Int32
	serveIDs := func(drop string) *Client {
		return serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			ids := r.URL.Query()["id"]
			if len(ids) > 100 || len(r.URL.String()) > 3000 {
				t.Errorf("%d ids in a URL of %d bytes", len(ids), len(r.URL.String()))
			}
			var parts []string
			for _, id := range ids {
				if id != drop {
					parts = append(parts, fmt.Sprintf(`{"index":%q,"validator":{"withdrawal_credentials":"0x%064s"}}`, id, id))
				}
			}
			fmt.Fprintf(w, `{"data":[%s]}`, strings.Join(parts, ","))
		})
	}
	var indices []uint64
	for i := range uint64(250) {
		indices = append(indices, 1<<63+i, 1<<63+i)
	}
	all, err := serveIDs("").WithdrawalCredentials(t.Context(), StateHead, indices)
	require.NoError(t, err)
	require.Len(t, all, 250)
	require.EqualValues(t, 3, requests.Load())
	_, err = serveIDs(fmt.Sprint(uint64(1<<63+200))).WithdrawalCredentials(t.Context(), StateHead, indices)
	require.ErrorIs(t, err, ErrMalformed)
	require.ErrorContains(t, err, "not in the answer")
	none, err := serveIDs("").WithdrawalCredentials(t.Context(), StateHead, nil)
	require.NoError(t, err)
	require.Empty(t, none)

	twice := serve(t, Config{}, body(200, fmt.Sprintf(`{"data":[{"index":"1","validator":{"withdrawal_credentials":"0x%064d"}},{"index":"1","validator":{"withdrawal_credentials":"0x%064d"}}]}`, 1, 2)))
	_, err = twice.WithdrawalCredentials(t.Context(), StateHead, []uint64{1})
	require.ErrorContains(t, err, "twice")
	nulls := serve(t, Config{}, body(200, `{"data":[{"slot":"1","index":"0","validators":["1",null]}]}`))
	_, err = nulls.Committees(t.Context(), StateHead, 0)
	require.ErrorIs(t, err, ErrMalformed)
}

// TestNoProxyOfTheEnvironment: a node is reached without one, for calls and for events.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	c, err := New(Config{URL: "http://node"})
	require.NoError(t, err)
	defer c.Close()
	for _, client := range []*http.Client{c.rest, c.stream} {
		transport, ok := client.Transport.(*http.Transport)
		require.True(t, ok)
		require.Nil(t, transport.Proxy)
	}
}

// TestEpochInAQuery: an epoch is a decimal number there.
func TestEpochInAQuery(t *testing.T) {
	asked := make(chan string, 1)
	c := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.RequestURI()
		_, _ = io.WriteString(w, `{"data":[]}`)
	})
	_, err := c.Committees(t.Context(), StateHead, 1234567)
	require.NoError(t, err)
	require.Equal(t, "/eth/v1/beacon/states/head/committees?epoch=1234567", <-asked)
}

// TestMissingFieldsAreNamedInOrder, so that a fault that lasts is reported in the same words.
func TestMissingFieldsAreNamedInOrder(t *testing.T) {
	for range 20 {
		require.EqualError(t, missing(map[string]bool{"slot": false, "root": true, "index": false, "data": false}), "lacks data, index, slot")
	}
}

// TestEveryCallTellsTheNodesError: a status is the outcome of each call, and not read as
// an answer without data.
func TestEveryCallTellsTheNodesError(t *testing.T) {
	c := serve(t, Config{}, body(502, "<html>"))
	ctx := t.Context()
	for name, err := range map[string]error{
		"Version":    errorOf(c.Version(ctx)),
		"PeerID":     errorOf(c.PeerID(ctx)),
		"Peers":      errorOf(c.Peers(ctx)),
		"Syncing":    errorOf(c.Syncing(ctx)),
		"Committees": errorOf(c.Committees(ctx, StateHead, 1)),
		"Finality":   errorOf(c.Finality(ctx, StateHead)),
		"Header":     errorOf(c.Header(ctx, AtRoot(common.Hash{1}))),
		"Block":      errorOf(c.Block(ctx, AtRoot(common.Hash{1}))),
		"Spec":       errorOf(c.Spec(ctx)),
		"SpineData":  errorOf(c.SpineData(ctx, StateHead)),
		"Operations": errorOf(c.Operations(ctx, StateHead, 1)),
		"Validators": errorOf(c.WithdrawalCredentials(ctx, StateHead, []uint64{1})),
	} {
		require.ErrorIs(t, err, ErrHTTPStatus, name)
	}
}

func errorOf[T any](_ T, err error) error { return err }
