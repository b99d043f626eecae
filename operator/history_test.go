package operator

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
)

func TestHistory(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), `"syncd_history","params":[2]`) {
			http.Error(w, "another call", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":[
			{"at":"2026-01-02T15:04:06Z","from":"connecting","to":"dag_sync","event":"connected","reason":"both\u001b[2J answer"},
			{"at":"2026-01-02T15:04:05Z","from":"","to":"connecting","event":"started","reason":"syncd started"}]}`)
	}))
	defer s.Close()
	client, err := apiclient.Open(apiclient.Config{Address: s.URL})
	require.NoError(t, err)
	defer client.Close()
	var out bytes.Buffer
	require.NoError(t, History(t.Context(), client, &out, 2, FormTable))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "connecting       syncd started", "the oldest first")
	require.Contains(t, lines[1], "connecting       dag_sync         both answer")
	out.Reset()
	require.NoError(t, History(t.Context(), client, &out, 2, FormJSON))
	require.Contains(t, out.String(), `"to":"connecting","event":"started","reason":"syncd started"}`+"\n{")
	for _, limit := range []int{0, maxHistory + 1} {
		require.Equal(t, exit.Usage, exit.Of(History(t.Context(), client, io.Discard, limit, FormTable)))
	}
	require.Equal(t, exit.Usage, exit.Of(History(t.Context(), client, io.Discard, 1, FormLine)))
	require.Equal(t, exit.Unreachable, exit.Of(History(t.Context(), client, io.Discard, 1, FormTable)))
}
