package failure

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRedirect(t *testing.T) {
	to := http.Header{"Location": {"https://me:hunter2@node.example/x?key=hunter2"}}
	for _, status := range []int{301, 302, 307, 308} {
		require.Equal(t, "it redirects to https://***@node.example/x?key=***, and no redirect is followed: name that address itself", Redirect(status, to))
	}
	require.Empty(t, Redirect(http.StatusNotModified, nil))
	require.Empty(t, Redirect(http.StatusCreated, to))
	require.Empty(t, Redirect(http.StatusOK, nil))
}
