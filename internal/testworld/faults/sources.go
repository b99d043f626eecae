package faults

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Tests lists the functions of the test files below root whose names begin with
// one of the prefixes, as "package.Name", whatever build tags the files have. The
// packages of the test world go by their path below it.
func Tests(root string, prefixes ...string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv == nil && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(f.Name.Name, p) }) {
				out = append(out, strings.TrimPrefix(filepath.ToSlash(dir), "internal/testworld/")+"."+f.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the tests below %s: %w", root, err)
	}
	slices.Sort(out)
	return out, nil
}

// Bug is one that simulation/mutants plants.
type Bug struct {
	Name, What string
	Rules      []string // that may find it
	Test       string   // that has to fail, if no rule of the simulation finds it
}

// PlantedBugs reads the table of simulation/mutants, which is a program and cannot be imported.
func PlantedBugs(root string) ([]Bug, error) {
	path := filepath.Join(root, "internal/testworld/simulation/mutants/table.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read the planted bugs: %w", err)
	}
	var out []Bug
	ast.Inspect(file, func(n ast.Node) bool {
		list, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		var b Bug
		for _, e := range list.Elts {
			field, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			switch name, _ := field.Key.(*ast.Ident); {
			case name == nil:
			case name.Name == "Name":
				b.Name = strings.Join(texts(field.Value), "")
			case name.Name == "What":
				b.What = strings.Join(texts(field.Value), "")
			case name.Name == "Rules":
				b.Rules = texts(field.Value)
			case name.Name == "Test":
				b.Test = strings.Join(texts(field.Value), "")
			}
		}
		if b.Name == "" {
			return true
		}
		out = append(out, b)
		return false
	})
	if len(out) == 0 {
		return nil, fmt.Errorf("read the planted bugs: %s has none", path)
	}
	return out, nil
}

// texts are the literal strings in an expression, in order.
func texts(e ast.Expr) (out []string) {
	ast.Inspect(e, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				out = append(out, text)
			}
		}
		return true
	})
	return out
}
