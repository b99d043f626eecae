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

// odd are phrases that make a reader stop, and the plain words for them. A text without the
// literal has no such phrase: it spares most searches, which are slow under the race detector.
var odd = []struct {
	literal, plain string
	phrase         *regexp.Regexp
}{
	{"anew", "again, or from the beginning", regexp.MustCompile(`\banew\b`)},
	{"told", "is reported for, or is informed of", regexp.MustCompile(`\b(is|are|was|were|been) told of\b`)},
	{"told", "is reported", regexp.MustCompile(`\b(is|are|was|were) told (once|after|in|all)\b`)},
	{"had", "is available", regexp.MustCompile(`\b(is|was) to be had\b|\bcan be had\b|\bcannot be had\b`)},
	{"told", "nothing is reported", regexp.MustCompile(`\bnothing is told\b`)},
	{"tells", "says", regexp.MustCompile(`\btells (whether|in words)\b`)},
	{"tell", "reports", regexp.MustCompile(`\btells no finding\b|\bmust tell of\b`)},
	{"told", "is never reported", regexp.MustCompile(`\bis never told\b`)},
	{"told", "answers what the test sets", regexp.MustCompile(`\banswers as told\b`)},
}

// lineEnd turns the end of a line and what begins the next line of a comment into a space.
var lineEnd = strings.NewReplacer("\n\t\t// ", " ", "\n\t// ", " ", "\n// ", " ", "\n# ", " ", "\n", " ")

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
	flat := ""
	for _, o := range odd {
		if !strings.Contains(text, o.literal) {
			continue
		}
		if flat == "" {
			flat = lineEnd.Replace(text)
		}
		for _, said := range o.phrase.FindAllString(flat, -1) {
			found = append(found, fmt.Sprintf("%s: %q: say %s", strings.TrimPrefix(path, root+"/"), said, o.plain))
		}
	}
	return found
}

func TestOddWordsAreFound(t *testing.T) {
	require.Len(t, oddIn("f", "// A finding is\n\t// told of a node."), 1)
	require.Len(t, oddIn("f", "it begins anew"), 1)
	require.Len(t, oddIn("f", "what is not told\nand cannot be\nhad"), 1)
	require.Empty(t, oddIn("f", "// A node is told to stop."))
}
