package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

func TestByPosition(t *testing.T) {
	for in, want := range map[string]string{
		`{"id":1,"method":"syncd_history","params":{"limit":2}}`:                      `{"id":1,"method":"syncd_history","params":[2]}`,
		`{"id":1,"method":"syncd_history","params":{}}`:                               `{"id":1,"method":"syncd_history","params":[]}`,
		`{"id":1,"method":"syncd_subscribe","params":{"filter":{"limit":1}}}`:         `{"id":1,"method":"syncd_subscribe","params":[null,{"limit":1}]}`,
		`{"id":1,"method":"syncd_history","params":{"Limit":2}}`:                      `{"id":1,"method":"rpc_badParams","params":["syncd_history has no parameter \"Limit\": it has [\"limit\"]"]}`,
		`{"id":1,"method":"syncd_status","params":{"b":1,"a":1}}`:                     `{"id":1,"method":"rpc_badParams","params":["syncd_status has no parameter \"a\": it has none"]}`,
		`{"id":"a","method":"syncd_pause","params":{"reason":"<disk> & \u00e9"}}`:     `{"id":"a","method":"syncd_pause","params":["<disk> & é"]}`,
		`{"id":9007199254740993,"method":"rpc.discover","params":{},"jsonrpc":"2.0"}`: `{"id":9007199254740993,"method":"rpc.discover","params":[],"jsonrpc":"2.0"}`,
		`{"id":1,"method":"syncd_history","params":[2]}`:                              "",
		`{"id":1,"method":"syncd_history","params":null}`:                             "",
		`{"id":1,"method":"syncd_history","params":"limit"}`:                          "",
		`{"id":1,"method":"syncd_history"}`:                                           "",
		`{"id":1,"method":"syncd_none","params":{"limit":2}}`:                         "",
		`{"id":1,"method":7,"params":{"limit":2}}`:                                    "",
		`{"id":1,"params":{"limit":2}}`:                                               "",
		`[{"id":1,"method":"syncd_history","params":{"limit":2}}]`:                    "",
		`"params"`: "",
	} {
		got := byPosition(json.RawMessage(in))
		if want == "" {
			require.Equal(t, in, string(got), "left as it is")
			continue
		}
		require.JSONEq(t, want, string(got), in)
	}
}

// Named parameters are served over HTTP and WebSocket, alone and in a batch.
func TestNamedParameters(t *testing.T) {
	var limits []int
	src := &fakePair{history: func(limit int) ([]status.Change, error) {
		limits = append(limits, limit)
		return nil, nil
	}}
	addr := start(t, src, nil)
	const call = `{"jsonrpc":"2.0","id":%d,"method":"syncd_history","params":{%q:%d}}`
	body := "[" + fmt.Sprintf(call, 1, "limit", 7) + "," + fmt.Sprintf(call, 2, "most", 8) + "]"
	want := `[{"jsonrpc":"2.0","id":1,"result":[]},{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"syncd_history has no parameter \"most\": it has [\"limit\"]"}}]`

	resp, err := http.Post("http://"+addr, "application/json", bytes.NewBufferString(body))
	require.NoError(t, err)
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.JSONEq(t, want, string(got))

	ws, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+addr, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, ws.Close()) }()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(body)))
	_, got, err = ws.ReadMessage()
	require.NoError(t, err)
	require.JSONEq(t, want, string(got))
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, call, 3, "limit", 9)))
	_, got, err = ws.ReadMessage()
	require.NoError(t, err)
	require.JSONEq(t, `{"jsonrpc":"2.0","id":3,"result":[]}`, string(got))
	require.Equal(t, []int{7, 7, 9}, limits)
}

// Each example of the document is valid: syncd accepts its parameters by name, and
// its answer matches the method's schema.
func TestTheDocumentsExamples(t *testing.T) {
	doc := theDocument(t)
	require.NotEmpty(t, doc.Servers)
	src := &fakePair{
		history: func(int) ([]status.Change, error) { return nil, nil },
		order:   func(context.Context, string) error { return nil },
	}
	src.snap.Store(&status.Snapshot{Stage: "working"})
	addr := start(t, src, nil)
	for _, m := range doc.Methods {
		require.NotEmpty(t, m.Examples, m.Name)
		for _, e := range m.Examples {
			named := map[string]any{}
			require.LessOrEqual(t, len(e.Params), len(m.Params), m.Name)
			for _, p := range e.Params {
				i := slices.Index(parameterNames[m.Name], p.Name)
				require.GreaterOrEqual(t, i, 0, "%s %s", m.Name, p.Name)
				raw, err := json.Marshal(p.Value)
				require.NoError(t, err)
				require.NoError(t, doc.validate(m.Params[i].Schema, decoded(t, raw), m.Name+" "+p.Name))
				named[p.Name] = p.Value
			}
			require.Equal(t, m.Result.Name, e.Result.Name)
			raw, err := json.Marshal(e.Result.Value)
			require.NoError(t, err)
			require.NoError(t, doc.validate(m.Result.Schema, decoded(t, raw), m.Name))
			if m.Name == "syncd_subscribe" || m.Name == "syncd_unsubscribe" {
				continue // over WebSocket alone
			}
			body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": m.Name, "params": named})
			require.NoError(t, err)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr, bytes.NewReader(body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+goodToken(t))
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			answer, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Regexp(t, `^\{"jsonrpc":"2.0","id":1,"result":`, string(answer[:min(len(answer), 200)]), m.Name)
		}
	}
}
