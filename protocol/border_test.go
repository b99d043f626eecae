package protocol

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

	"github.com/stretchr/testify/require"
)

// knows are the packages that may know an era: the client and this package, what speaks
// gwat's wire by itself, what names the methods that an endpoint does not serve, and the
// test world.
var knows = []string{"gwatclient", "protocol", "gate", "support/conformance", "support/preflight", "bench", "internal/testworld"}

var (
	eraSelector = regexp.MustCompile(`^(Stage\w*|SyncStatus|CoordinatedState|Err(Locked|NotReady|BadParams|UnknownSpine|NotFinalized|` +
		`BadNumber|StateNotFound|SpineNotFound|Synchronization|InvalidBase|NoPeers|Busy|NullState|RanBeside))$`)
	eraMethod = regexp.MustCompile(`^(HeadSyncReady|FinalizeCoordinated|CoordinatedState|CoordinatedSyncing)$`)
	// dag_sync is the name of a stage, too.
	callName = regexp.MustCompile(`^"(dag_[a-z]+[A-Z]\w*|dag_finalize|wat_info)"$`)
)

// Nobody beyond this package knows an era's stages, errors and call names.
func TestNobodyElseKnowsAnEra(t *testing.T) {
	var found []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(filepath.ToSlash(path), "../")
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(knows, name) || name != ".." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		places, err := eraKnowledge(path)
		for _, p := range places {
			found = append(found, fmt.Sprintf("%s:%s", name, p))
		}
		return err
	})
	require.NoError(t, err)
	require.Empty(t, found, "%d places know an era: move them behind protocol", len(found))
}

// eraKnowledge returns the places of a file that know an era.
func eraKnowledge(path string) (out []string, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		what := ""
		switch n := n.(type) {
		case *ast.SelectorExpr:
			x, plain := n.X.(*ast.Ident)
			if plain && x.Name == "gwatclient" && eraSelector.MatchString(n.Sel.Name) {
				what = "gwatclient." + n.Sel.Name
			}
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && eraMethod.MatchString(sel.Sel.Name) {
				what = sel.Sel.Name + "()"
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING && callName.MatchString(n.Value) {
				what = n.Value
			}
		}
		if what != "" {
			out = append(out, fmt.Sprintf("%d: %s", set.Position(n.Pos()).Line, what))
		}
		return true
	})
	return out, nil
}
