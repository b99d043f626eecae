package gwatsim

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// situation is a node in the state of a recorded one, and what was asked of it.
type situation struct {
	name        string
	transcripts []string // in the order of time
	chain       func(*recording) *testChain
	born        float64 // when the node starts, Unix seconds
	start       primitives.Slot
	restarts    []float64 // the node is killed and started again on its data
}

var situations = []situation{
	{
		name: "gwat alone at genesis", transcripts: []string{"01", "02", "03"}, born: 1795206970,
		chain: func(r *recording) *testChain {
			c := newTestChain(1795206842, r.hash("407ae4b0"))
			c.spec.DepositChainID = 1337
			return c
		},
	},
	{
		name: "gwat restarts beside a working beacon node", transcripts: []string{"20", "33"}, born: 1795208150, start: 126,
		chain: recordedNetwork, restarts: []float64{1795208165.5},
	},
	{
		name: "handshakes by hand after a restart", transcripts: []string{"21", "22"}, born: 1795208273, start: 154,
		chain: recordedNetwork,
	},
	{
		name: "beacon node starts before gwat", transcripts: []string{"30"}, born: 1795207440,
		chain: func(r *recording) *testChain { return newTestChain(1795207407, r.hash("3ab3b81b")) },
	},
	{
		name: "both start at genesis", transcripts: []string{"31"}, born: 1795207646,
		chain: recordedNetwork,
	},
}

// notCompared are fields of a block that simulated blocks do not have: what is
// in them, the state behind them, and what their creator saw.
var notCompared = []string{
	"baseFeePerGas", "extraData", "gasLimit", "gasUsed", "lfHash", "lfNumber", "logsBloom",
	"receiptsRoot", "size", "stateRoot", "transactions", "transactionsRoot",
}

func TestAnswersAsRecorded(t *testing.T) {
	r := loadRecording(t)
	asked, agreed, excluded := 0, 0, make(map[string]int)
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &player{t: t, r: r, cfg: Config{Chain: s.chain(r), StartSlot: s.start, DataDir: t.TempDir()}}
				sleepUntil(s.born)
				p.start()
				defer func() { p.stop() }()
				for _, e := range r.of(s.transcripts) {
					asked++
					if e.Excluded != "" {
						excluded[e.Excluded]++
						continue
					}
					if len(s.restarts) > 0 && e.Time > s.restarts[0] {
						p.stop()
						sleepUntil(s.restarts[0])
						p.start()
						s.restarts = s.restarts[1:]
					}
					sleepUntil(e.Time)
					if p.play(e) {
						agreed++
					}
				}
			})
		})
	}
	left := 0
	for _, reason := range slices.Sorted(maps.Keys(excluded)) {
		left += excluded[reason]
		t.Logf("excluded %3d: %s", excluded[reason], reason)
	}
	t.Logf("%d of %d recorded answers agree; %d of %d exchanges are excluded", agreed, asked-left, left, asked)
	require.Equal(t, len(r.Exchanges), asked, "every recorded exchange is in a situation")
}

// of are the exchanges of some transcripts in the order of time.
func (r *recording) of(transcripts []string) []exchange {
	var out []exchange
	for _, e := range r.Exchanges {
		if slices.Contains(transcripts, strings.Split(e.ID, "/")[0]) {
			out = append(out, e)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Time < out[j].Time })
	return out
}

func sleepUntil(unix float64) {
	time.Sleep(time.Until(time.UnixMilli(int64(unix * 1000))))
}

// player asks a node what a real one was asked.
type player struct {
	t    *testing.T
	r    *recording
	cfg  Config
	node *Node
	done chan error
}

func (p *player) start() {
	node, err := New(p.cfg)
	require.NoError(p.t, err)
	p.node, p.done = node, make(chan error, 1)
	go func() { p.done <- node.Run(context.Background()) }()
}

// stop ends the node; its stored state is what kill -9 would leave.
func (p *player) stop() {
	p.node.Close()
	require.NoError(p.t, <-p.done)
}

// play asks one question and reports whether the answer is the recorded one.
func (p *player) play(e exchange) bool {
	answer := httptest.NewRecorder()
	p.node.Handler().ServeHTTP(answer, p.request(e))
	want := e.Status
	if want == 0 {
		want = http.StatusOK
	}
	same := assert.Equal(p.t, want, answer.Code, e.ID)
	if e.Text != nil {
		return assert.Equal(p.t, *e.Text, answer.Body.String(), e.ID) && same
	}
	var got, wanted any
	require.NoError(p.t, json.Unmarshal(answer.Body.Bytes(), &got), "%s: %s", e.ID, answer.Body)
	require.NoError(p.t, json.Unmarshal([]byte(p.r.expand(string(e.Answer))), &wanted), e.ID)
	if e.Method != "" {
		delete(got.(map[string]any), "jsonrpc")
		delete(got.(map[string]any), "id")
	}
	return assert.Equal(p.t, p.comparable(e, wanted), p.comparable(e, got), e.ID) && same
}

// comparable takes out what cannot agree: how long a call took, and the fields
// of notCompared after it was seen that a block has them all.
func (p *player) comparable(e exchange, answer any) any {
	switch v := answer.(type) {
	case []any:
		for i := range v {
			v[i] = p.comparable(e, v[i])
		}
	case map[string]any:
		if block, ok := v["block"]; ok {
			return block
		}
		if _, ok := v["lfHash"]; ok {
			assert.Equal(p.t, p.r.BlockFields, slices.Sorted(maps.Keys(v)), "%s: fields of a block", e.ID)
			for _, field := range notCompared {
				delete(v, field)
			}
			return v
		}
		for key := range v {
			v[key] = p.comparable(e, v[key])
		}
		if elapsed, ok := v["elapsed"].(string); ok {
			_, err := time.ParseDuration(elapsed)
			assert.NoError(p.t, err, e.ID)
			v["elapsed"] = "parses"
		}
	}
	return answer
}

func (p *player) request(e exchange) *http.Request {
	if e.Get {
		return httptest.NewRequest(http.MethodGet, "http://localhost:8545/", nil)
	}
	body := e.Body
	if e.Method != "" {
		message := map[string]any{"jsonrpc": "2.0", "id": 1, "method": e.Method}
		if e.Push != "" {
			message["params"] = []any{p.r.pushList(p.t, e.Push)}
		} else if e.Params != nil {
			message["params"] = e.Params
		}
		data, err := json.Marshal(message)
		require.NoError(p.t, err)
		body = string(data)
	}
	request := httptest.NewRequest(http.MethodPost, "http://localhost:8545/", strings.NewReader(p.r.expand(body)))
	request.Header.Set("Content-Type", "application/json")
	if e.ContentType != "" {
		request.Header.Set("Content-Type", e.ContentType)
	}
	if e.Host != "" {
		request.Host = e.Host
	}
	return request
}
