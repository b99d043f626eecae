package faults_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/faults"
)

// TestSafetyDocument holds docs/safety.md to the code: every rule that the code cites
// has a section, and every planted bug is named.
func TestSafetyDocument(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "docs/safety.md"))
	require.NoError(t, err)
	doc := string(raw)

	bugs, err := faults.PlantedBugs(root)
	require.NoError(t, err)
	for _, b := range bugs {
		require.Contains(t, doc, "`"+b.Name+"`", "docs/safety.md names no planted bug %s", b.Name)
	}

	cited := map[string]string{}
	rule := regexp.MustCompile(`\bS([1-9]|[1-9][0-9])\b`)
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, r := range rule.FindAllString(string(text), -1) {
			cited[r] = path
		}
		return err
	}))
	require.Contains(t, cited, "S1")
	for r, path := range cited {
		require.Contains(t, doc, "\n## "+r+": ", "%s cites %s", path, r)
	}
}
