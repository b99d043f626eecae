package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

func TestRateLimitByAddress(t *testing.T) {
	src := &fakePair{}
	src.snap.Store(&status.Snapshot{At: time.Now(), Stage: "working", Verdict: status.VerdictWorking})
	base := "http://" + start(t, src, nil)
	full := make([]string, maxBatch)
	for i := range full {
		full[i] = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"syncd_status"}`, i)
	}
	batch := "[" + strings.Join(full, ",") + "]"
	codes := map[int]int{}
	var refusal string
	var header http.Header
	for range callsBurst/maxBatch + 3 { // each call of a batch counts
		code, body, h := ask(t, http.MethodPost, base, batch, nil)
		codes[code]++
		if code == http.StatusTooManyRequests {
			refusal, header = body, h
		}
	}
	require.GreaterOrEqual(t, codes[http.StatusOK], callsBurst/maxBatch)
	require.Positive(t, codes[http.StatusTooManyRequests])
	require.Equal(t, "1", header.Get("Retry-After"))
	var answer struct {
		ID    any
		Error struct {
			Code    int
			Message string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(refusal), &answer))
	require.Nil(t, answer.ID)
	require.Equal(t, CodeLimit, answer.Error.Code)
	require.Contains(t, answer.Error.Message, "100 calls a second")
	for range callsBurst {
		for _, path := range []string{"/livez", "/readyz"} {
			code, _, _ := ask(t, http.MethodGet, base+path, "", nil)
			require.Equal(t, http.StatusOK, code, "the probes are not counted")
		}
	}
	require.Eventually(t, func() bool {
		code, _, _ := ask(t, http.MethodPost, base, full[0], nil)
		return code == http.StatusOK
	}, 5*time.Second, 20*time.Millisecond, "it may ask again after a while")
}

// What is no call, too, costs one.
func TestCallsOfARequest(t *testing.T) {
	for raw, want := range map[string]int{
		`{`: 1, `7`: 1, `{}`: 1, ` [] `: 1, `[{}]`: 1, `[{},{},7]`: 3, `[1` + strings.Repeat(`,1`, maxBatch) + `]`: maxBatch,
	} {
		calls, _, ok := prepare([]byte(raw))
		require.Equal(t, want, calls, raw)
		require.Equal(t, raw != `{`, ok, raw)
	}
}

func TestLimitersAreByAddressAndBounded(t *testing.T) {
	l := newLimiters()
	require.Same(t, l.of("10.0.0.1:1"), l.of("10.0.0.1:2"))
	require.Same(t, l.of("10.0.0.1:1"), l.of("[::ffff:10.0.0.1]:2"))
	require.NotSame(t, l.of("10.0.0.1:1"), l.of("10.0.0.2:1"))
	require.Same(t, l.of("[2001:db8::1]:1"), l.of("[2001:db8::ffff%eth0]:2"), "one network of a machine")
	require.NotSame(t, l.of("[2001:db8::1]:1"), l.of("[2001:db8:0:1::1]:1"))
	require.Nil(t, l.of("@"), "the local socket")
	for i := range 4 * maxRemembered {
		l.of(fmt.Sprintf("10.%d.%d.%d:1", 1+i>>16, i>>8&255, i&255))
	}
	require.Equal(t, maxRemembered, l.byKey.Len())
}

// On a WebSocket too many calls are held back, and a message that is no JSON is
// refused without ending the connection.
func TestWebSocketHoldsBackAndStays(t *testing.T) {
	src := &fakePair{}
	src.snap.Store(&status.Snapshot{Stage: "working"})
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+start(t, src, nil), nil)
	require.NoError(t, err)
	defer ws.Close()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0",`)))
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(``)))
	const asked = callsBurst + 30
	for i := range asked {
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"syncd_status"}`, i)))
	}
	broken, answered := 0, map[string]bool{}
	for broken < 2 || len(answered) < asked {
		_, raw, err := ws.ReadMessage()
		require.NoError(t, err)
		var msg struct {
			ID    json.RawMessage
			Error *struct{ Code int }
		}
		require.NoError(t, json.Unmarshal(raw, &msg))
		if msg.Error != nil {
			require.Equal(t, codeParse, msg.Error.Code)
			require.Equal(t, "null", string(msg.ID))
			broken++
			continue
		}
		answered[string(msg.ID)] = true
	}
}
