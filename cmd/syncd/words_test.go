package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// odd are phrases that make a reader stop, and the plain words for them.
var odd = map[string]string{
	`\banew\b`:                           "again, or from the beginning",
	`\b(is|are|was|were|been) told of\b`: "is reported for, or is informed of",
	`\b(is|are|was|were) told (once|after|in|all)\b`:          "is reported",
	`\b(is|was) to be had\b|\bcan be had\b|\bcannot be had\b`: "is available",
	`\bnothing is told\b`:                                     "nothing is reported",
	`\btells (whether|in words)\b`:                            "says",
	`\btells no finding\b|\bmust tell of\b`:                   "reports",
	`\bis never told\b`:                                       "is never reported",
	`\banswers as told\b`:                                     "answers what the test sets",
}

// TestWords: documents, comments, messages and tests do without the phrases that were
// rewritten as hard to read.
func TestWords(t *testing.T) {
	kinds := []string{".go", ".md", ".js", ".yaml", ".yml"}
	var found []string
	read := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bench"): // a word there asks for new figures
			return filepath.SkipDir
		case d.IsDir() || !slices.Contains(kinds, filepath.Ext(name)) || name == "words_test.go" || name == "benchmarks.md":
			return nil
		}
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		read++
		found = append(found, oddIn(path, string(raw))...)
		return nil
	}))
	require.Greater(t, read, 500)
	require.Empty(t, found, "%s", strings.Join(found, "\n"))
}

// oddIn returns where a text has an odd phrase, with the words for it. A phrase may go over
// the end of a line of a comment.
func oddIn(path, text string) (found []string) {
	flat := regexp.MustCompile(`\n\s*((//|#) )?`).ReplaceAllString(text, " ")
	for phrase, plain := range odd {
		for _, said := range regexp.MustCompile(phrase).FindAllString(flat, -1) {
			found = append(found, fmt.Sprintf("%s: %q: say %s", strings.TrimPrefix(path, root+"/"), said, plain))
		}
	}
	return found
}

func TestOddWordsAreFound(t *testing.T) {
	require.Len(t, oddIn("f", "// A finding is\n\t// told of a node."), 1)
	require.Len(t, oddIn("f", "it begins anew"), 1)
	require.Empty(t, oddIn("f", "// A node is told to stop."))
}
