package section

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// failed records whether a check failed in place of the test that made it.
type failed struct{ at bool }

func (f *failed) Helper()               {}
func (f *failed) Errorf(string, ...any) { f.at = true }
func (f *failed) FailNow()              { f.at = true; panic(f) }

func fails(path, begin, want string) (at bool) {
	f := &failed{}
	defer func() {
		if r := recover(); r != nil && r != any(f) {
			panic(r)
		}
		at = f.at
	}()
	Require(f, path, begin, "<!-- /a -->", want, false)
	return
}

func TestRequire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	require.NoError(t, os.WriteFile(path, []byte("x\n<!-- a -->\nold\n<!-- /a -->\ny\n"), 0o600))
	require.False(t, fails(path, "<!-- a -->\n", "old\n"))
	require.True(t, fails(path, "<!-- a -->\n", "new\n"))
	require.True(t, fails(path, "<!-- b -->\n", "old\n"))
	require.True(t, fails(path+".none", "<!-- a -->\n", "old\n"))

	Require(t, path, "<!-- a -->\n", "<!-- /a -->", "new\n", true)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "x\n<!-- a -->\nnew\n<!-- /a -->\ny\n", string(raw))
	require.False(t, fails(path, "<!-- a -->\n", "new\n"))
}
