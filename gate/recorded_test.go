package gate

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// exchanged is a recorded call of a real beacon node and gwat's answer.
type exchanged struct {
	Source  string `json:"source"`
	Status  int    `json:"status"` // 502: gwat was away
	Request string `json:"request"`
	Answer  string `json:"answer"`
}

func recorded(t testing.TB) []exchanged {
	t.Helper()
	f, err := os.Open("testdata/recorded.jsonl.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var out []exchanged
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e exchanged
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		out = append(out, e)
	}
	require.NoError(t, lines.Err())
	require.Greater(t, len(out), 1000)
	return out
}

// What real nodes said to each other passes byte by byte, whichever way it goes.
func TestRecordedTrafficPasses(t *testing.T) {
	all := recorded(t)
	eachWay(t, func(t *testing.T, listener, backend string) {
		var now atomic.Pointer[exchanged]
		gwat := newStandIn(t, func(string) (int, string) { e := now.Load(); return e.Status, e.Answer })
		g := startGate(t, gwat.endpoint(backend), handsOff)
		c := dialGate(t, g, listener)
		sent := 0
		for i := range all {
			e := &all[i]
			if e.Status != http.StatusOK && (listener != "http" || backend != "http") {
				continue // another transport has no status
			}
			switch {
			case e.Status != http.StatusOK:
				g.SetView(handsOff)
			case strings.HasPrefix(e.Source, "coordinated"):
				g.SetView(coordinated)
			case strings.HasPrefix(e.Answer, `{"jsonrpc": `): // not gwat's, but the recording proxy's
				g.SetView(handsOff)
			default:
				g.SetView(headSync)
			}
			now.Store(e)
			before := len(gwat.messages())
			status, answer, err := c.call(e.Request)
			require.NoError(t, err, e.Request)
			require.Equal(t, e.Status, status, e.Request)
			require.Equal(t, trim(e.Answer), trim(answer), e.Request)
			if listener == "http" && backend == "http" && !strings.Contains(e.Request, "dag_headSync") {
				require.Equal(t, e.Answer, answer, "the newline, too")
			}
			seen := gwat.messages()[before:]
			if g.View() == headSync && strings.Contains(e.Request, `"dag_headSync`) {
				require.Empty(t, seen, "the beacon node's driver reached gwat")
				continue
			}
			require.Equal(t, []string{e.Request}, seen)
			sent++
		}
		require.Greater(t, sent, 900)
	})
}
