package section

import (
	"os"
	"strings"

	"github.com/stretchr/testify/require"
)

// T is what Require needs of a test.
type T interface {
	require.TestingT
	Helper()
}

// Require checks that the text between begin and end in the document at path is want.
// With update it writes want there instead. The document must have both marks.
func Require(t T, path, begin, end, want string, update bool) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(raw), begin)
	require.True(t, ok, "%s has no %q", path, begin)
	old, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no %q", path, end)
	if update {
		require.NoError(t, os.WriteFile(path, []byte(before+begin+want+end+after), 0o644))
		return
	}
	require.Equal(t, want, old, "%s is old: make docs", path)
}
