package beaconclient

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTapGetsEveryCall: with the answer as it came, whatever its status.
func TestTapGetsEveryCall(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `{"message":"no"}`)
	}))
	defer server.Close()
	var got []Call
	c, err := New(Config{URL: server.URL, Tap: func(call Call) { got = append(got, call) }})
	require.NoError(t, err)
	defer c.Close()
	status, body, err := c.Get(t.Context(), "/eth/v1/node/peers", url.Values{"state": {"connected"}})
	require.NoError(t, err)
	require.Equal(t, http.StatusTeapot, status)
	_, err = c.Version(t.Context())
	require.ErrorIs(t, err, ErrHTTPStatus)
	require.Len(t, got, 2)
	require.Equal(t, Call{At: got[0].At, Took: got[0].Took, Path: "/eth/v1/node/peers", Query: url.Values{"state": {"connected"}}, Status: http.StatusTeapot, Answer: body}, got[0])
	require.Equal(t, "/eth/v1/node/version", got[1].Path)
}
