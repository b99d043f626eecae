package page

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fromTheRoot finds an address that begins at the root of the host: an attribute,
// a fetch, an import or a WebSocket of the page.
var fromTheRoot = regexp.MustCompile("(?:(?:href|src|action)=[\"']|(?:fetch|import|URL|WebSocket|url)\\(\\s*[\"'`]?|from\\s+[\"'])/|location\\.(?:host|origin)\\b")

// Public report 20 (677a403 asks for /assets/… of the host): the page works below
// a path, where a proxy serves it: none of its addresses begins at the root.
func TestThePageWorksBelowAPath(t *testing.T) {
	for _, bad := range []string{`href="/readyz"`, `fetch("/", {`, "new WebSocket(`/`)", "`${location.host}/`", `from "/assets/a.js"`} {
		require.Regexp(t, fromTheRoot, bad)
	}
	require.NoError(t, fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) == ".svg" {
			return err
		}
		body, err := static.ReadFile(name)
		require.NoError(t, err)
		for i, line := range strings.Split(string(body), "\n") {
			require.NotRegexp(t, fromTheRoot, line, "%s:%d", name, i+1)
		}
		return nil
	}))
}
