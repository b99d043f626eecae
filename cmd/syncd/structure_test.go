package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The bounds of what a reader can keep in mind.
const (
	maxFields    = 15  // of a struct
	maxFunction  = 60  // lines of a function
	maxFileLines = 400 // lines of a file
)

// wide are the structs that may have more fields: each is the form of a document, and its
// fields are the keys there.
var wide = map[string]string{
	"status.Snapshot": "the answer of syncd_status",
	"settings.Config": "the configuration file",
}

// worldParts are the folders of the test world, whose structs and functions are not bounded.
var worldParts = regexp.MustCompile(`^(internal/testworld|cmd/simnet|bench)/`)

// TestSizes: structs, functions and files stay as small as a reader needs them, and a
// library package says in doc.go, and only there, what it holds.
func TestSizes(t *testing.T) {
	var wrong []string
	used, libraries, documented := map[string]bool{}, map[string]bool{}, map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, root+"/"))
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		complain := func(n ast.Node, format string, args ...any) {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s", name, files.Position(n.Pos()).Line, fmt.Sprintf(format, args...)))
		}
		if pkg := filepath.Dir(name); file.Name.Name != "main" {
			libraries[pkg] = true
			documented[pkg] = documented[pkg] || d.Name() == "doc.go" && file.Doc != nil
			if file.Doc != nil && d.Name() != "doc.go" {
				complain(file, "the text of the package belongs into doc.go")
			}
		}
		if lines := files.Position(file.FileEnd).Line; lines > maxFileLines {
			complain(file, "the file has %d lines", lines)
		}
		if worldParts.MatchString(name) {
			return nil
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if lines := files.Position(n.End()).Line - files.Position(n.Pos()).Line + 1; lines > maxFunction {
					complain(n, "%s has %d lines", n.Name.Name, lines)
				}
			case *ast.TypeSpec:
				s, is := n.Type.(*ast.StructType)
				if !is || s.Fields.NumFields() <= maxFields {
					break
				}
				full := file.Name.Name + "." + n.Name.Name
				used[full] = true
				if wide[full] == "" {
					complain(n, "%s has %d fields", full, s.Fields.NumFields())
				}
			}
			return true
		})
		return nil
	}))
	require.Empty(t, wrong)
	require.Greater(t, len(libraries), 40)
	for pkg := range libraries {
		require.True(t, documented[pkg], "%s has no doc.go", pkg)
	}
	for name := range wide {
		require.True(t, used[name], "%s is no wide struct any more", name)
	}
}
