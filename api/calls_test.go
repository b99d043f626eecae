package api

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	between "github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/status"
)

// fakeGate keeps the newest calls.
type fakeGate struct {
	mu    sync.Mutex
	keeps int
	kept  []status.Call
	last  uint64
}

func (g *fakeGate) add(method, outcome string, ms float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last++
	g.kept = append(g.kept, status.Call{
		Seq: g.last, At: since.Add(time.Duration(g.last) * time.Second), Method: method, Era: "head-sync", DurationMS: ms,
		Action: "forward", Outcome: outcome, Listener: "http",
	})
	g.kept = g.kept[max(0, len(g.kept)-g.keeps):]
}

func (g *fakeGate) Calls(after uint64) []status.Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []status.Call
	for _, c := range g.kept {
		if c.Seq > after {
			out = append(out, c)
		}
	}
	return out
}

func (g *fakeGate) Traffic() status.Traffic {
	g.mu.Lock()
	defer g.mu.Unlock()
	return status.Traffic{Last: g.last, Held: 1, Absorbed: 2}
}

func seqs(t status.Traffic) []uint64 {
	out := []uint64{}
	for _, c := range t.Calls {
		out = append(out, c.Seq)
	}
	return out
}

func TestCalls(t *testing.T) {
	g := &fakeGate{keeps: 100}
	for i := range 6 {
		g.add([]string{"dag_finalize", "eth_call"}[i%2], []string{"ok", "error", "absorbed"}[i/2], float64(i))
	}
	c, err := rpc.DialContext(t.Context(), "http://"+start(t, &fakePair{}, func(c *Config) { c.Calls = g }))
	require.NoError(t, err)
	defer c.Close()
	ask := func(filter string) (out status.Traffic) {
		require.NoError(t, c.CallContext(t.Context(), &out, "syncd_calls", json.RawMessage(filter)), filter)
		require.True(t, out.Gate)
		return out
	}
	all := ask(`{}`)
	require.Equal(t, []uint64{1, 2, 3, 4, 5, 6}, seqs(all))
	require.Equal(t, status.Traffic{Gate: true, Last: 6, Held: 1, Absorbed: 2, Calls: all.Calls}, all)
	var none status.Traffic
	require.NoError(t, c.CallContext(t.Context(), &none, "syncd_calls"))
	require.Equal(t, all, none)
	for filter, want := range map[string][]uint64{
		`{"after":4}`:                  {5, 6},
		`{"after":6}`:                  {},
		`{"after":7}`:                  {1, 2, 3, 4, 5, 6}, // of another run
		`{"methods":["dag_finalize"]}`: {1, 3, 5},
		`{"outcomes":["error","absorbed"],"methods":["eth_call"]}`: {4, 6},
		`{"actions":["hold"]}`: {},
		`{"minMs":4}`:          {5, 6},
		`{"limit":2}`:          {5, 6},
		fmt.Sprintf(`{"since":%q}`, since.Add(5*time.Second).Format(time.RFC3339)): {5, 6},
	} {
		require.Equal(t, want, seqs(ask(filter)), filter)
	}
	for _, wrong := range []string{`{"limit":-1}`, `{"limit":4097}`, `{"method":"eth_call"}`, `{"after":-1}`, `[]`} {
		requireCode(t, c.CallContext(t.Context(), nil, "syncd_calls", json.RawMessage(wrong)), codeInvalidParams, "")
	}
	many := make([]string, maxChoices+1)
	require.NoError(t, c.CallContext(t.Context(), nil, "syncd_calls", map[string]any{"methods": many[1:]}))
	requireCode(t, c.CallContext(t.Context(), nil, "syncd_calls", map[string]any{"methods": many}), codeInvalidParams, "")
}

func TestCallsWithoutAGate(t *testing.T) {
	overBoth(t, &fakePair{}, func(t *testing.T, c *rpc.Client) {
		var out json.RawMessage
		require.NoError(t, c.CallContext(t.Context(), &out, "syncd_calls"))
		require.JSONEq(t, `{"gate":false,"last":0,"held":0,"absorbed":0,"calls":[]}`, string(out))
	})
}

func TestCallsTellWhatIsLost(t *testing.T) {
	g := &fakeGate{keeps: 3}
	for range 10 {
		g.add("eth_call", "ok", 1)
	}
	two := uint64(2)
	out := traffic(g, &status.CallFilter{After: &two})
	require.EqualValues(t, 5, out.Lost)
	require.Equal(t, []uint64{8, 9, 10}, seqs(out))
	require.Zero(t, traffic(g, &status.CallFilter{}).Lost, "nobody asked for those")
	g.keeps = 1
	g.add("eth_call", "ok", 1)
	out = traffic(g, &status.CallFilter{After: &two})
	require.EqualValues(t, 8, out.Lost, "all but the one that is kept")
	require.Equal(t, []uint64{11}, seqs(out))
}

func TestSubscribeCalls(t *testing.T) {
	g := &fakeGate{keeps: 1000}
	g.add("eth_call", "ok", 1)
	c := dialWS(t, start(t, &fakePair{}, func(c *Config) { c.Calls = g }))
	now, _ := subscribe[status.Traffic](t, c, "calls")
	first := next(t, now)
	require.Empty(t, first.Calls, "from now on")
	require.EqualValues(t, 1, first.Last)
	all := make(chan status.Traffic, 64)
	_, err := c.Subscribe(t.Context(), "syncd", all, "calls", map[string]any{"after": 0, "methods": []string{"dag_finalize"}})
	require.NoError(t, err)
	require.Empty(t, next(t, all).Calls)
	g.add("eth_call", "ok", 1)
	g.add("dag_finalize", "ok", 1)
	for i := range 500 {
		g.add(fmt.Sprint("m", i), "ok", 1)
	}
	require.Equal(t, []uint64{3}, seqs(next(t, all)), "the chosen one alone")
	got := []uint64{}
	for len(got) < 502 { // each once, in order, in few answers
		got = append(got, seqs(next(t, now))...)
	}
	for i, seq := range got {
		require.EqualValues(t, i+2, seq)
	}
	_, err = c.Subscribe(t.Context(), "syncd", all, "calls", map[string]any{"limit": -1})
	requireCode(t, err, codeInvalidParams, "")
}

// The words of the document are those of the gate.
func TestTheDocumentHasTheWordsOfTheGate(t *testing.T) {
	doc := theDocument(t)
	properties := sub(doc.Components.Schemas["Call"]["properties"])
	words := func(name string) []any { return sub(properties[name])["enum"].([]any) }
	for _, rule := range between.Table() {
		require.Contains(t, words("action"), string(rule.Action))
	}
	for _, o := range between.Outcomes() {
		require.Contains(t, words("outcome"), string(o))
	}
	require.Len(t, words("outcome"), len(between.Outcomes()))
	for _, e := range []checkpoint.Era{checkpoint.EraUnknown, checkpoint.EraHeadSync, checkpoint.EraCoordinated} {
		require.Contains(t, words("era"), e.String())
	}
	limit := sub(sub(doc.Components.Schemas["CallFilter"]["properties"])["limit"])
	require.EqualValues(t, status.MaxCalls, limit["maximum"])
	require.EqualValues(t, status.DefaultCalls, limit["default"])
}
