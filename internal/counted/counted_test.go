package counted

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	require.Equal(t, "0 peers", Of(0, "peer"))
	require.Equal(t, "1 more peer", Of(uint64(1), "more peer"))
	require.Equal(t, "2 entries", Of(2, "entry"))
	require.Equal(t, "1 entry", Of(1, "entry"))
	require.Equal(t, "0 of 1 entry", Part(0, 1, "entry"))
	require.Equal(t, "1 of 2 days", Part(1, 2, "day"))
}

// plural is a number with a plural that follows it whatever the number is.
var plural = regexp.MustCompile(`%d (?:(?:new|more|other) )?(?:entries|slots|heads|polls|attempts|calls|spines|epochs|blocks|peers|lines|findings|times|changes|seconds|differences|snapshots)\b`)

// never are those of which there is never just one: constants, and bounds that are larger.
var never = []string{
	"at most %d are driven", "of %d new heads whose spines", "and %d new heads up to slot", "to follow %d of %d new heads", "what %d new heads finalize",
	"more than %d calls a second", "silent for %d slots", "%d slots an epoch", "%d polls in a row", "within %d epochs the", "was never below %d for %d slots",
	"the beacon's head is %d epochs past", "checkpoint is %d epochs behind", "syncs itself: its head is %d slots behind",
}

// constant are the fields of a finding whose numbers are constants.
var constant = []string{"Meaning", "windowNote", "clearNote"}

// Texts that people read say "1 peer". This reads the code of the whole program for numbers
// that are written with a plural by hand.
func TestNoPluralByHand(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch rel, _ := filepath.Rel(root, path); {
		case err != nil:
			return err
		case d.IsDir() && (rel == filepath.Join("internal", "testworld") || rel == "bench" || rel == ".git"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		default:
			files++
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if field, ok := n.(*ast.KeyValueExpr); ok && slices.Contains(constant, fmt.Sprint(field.Key)) {
					return false
				}
				lit, ok := n.(*ast.BasicLit)
				if ok && lit.Kind == token.STRING && plural.MatchString(lit.Value) {
					known := slices.ContainsFunc(never, func(s string) bool { return strings.Contains(filepath.ToSlash(rel)+" "+lit.Value, s) })
					assert.True(t, known, "%s: %s", rel, lit.Value)
				}
				return true
			})
			return nil
		}
	}))
	require.Greater(t, files, 100)
}
