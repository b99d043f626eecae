package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/logs"
	"github.com/gwatsync/syncd/internal/testworld/section"
)

const operatingDoc = "../../docs/operating.md"

// TestOperatingDocument holds the generated parts of docs/operating.md to the code.
func TestOperatingDocument(t *testing.T) {
	for name, content := range map[string]string{
		"findings": findingsText(health.Catalog(), explanations()), "commands": commandsText(),
		"causes":                          causesText(explanations()),
		"findings of the coordinated era": findingsText(ofCoordinatedEraAlone(), explanations()),
	} {
		section.Require(t, operatingDoc, "<!-- "+name+" -->\n", "<!-- /"+name+" -->", content, *update)
	}
}

// ofCoordinatedEraAlone are the findings that the head-sync era does not have.
func ofCoordinatedEraAlone() (out []health.Entry) {
	shared := map[string]bool{}
	for _, e := range health.Catalog() {
		shared[e.Name] = true
	}
	for _, e := range health.CoordinatedCatalog() {
		if !shared[e.Name] {
			out = append(out, e)
		}
	}
	return out
}

// explanations are the rows of both eras.
func explanations() (out []health.Explanation) {
	seen := map[[2]string]bool{}
	for _, x := range slices.Concat(health.Explanations(health.Catalog()), health.Explanations(health.CoordinatedCatalog())) {
		if row := [2]string{x.Finding, x.By}; !seen[row] {
			seen[row] = true
			out = append(out, x)
		}
	}
	return out
}

func chapter(finding string) string { return fmt.Sprintf("[`%s`](#%s)", finding, finding) }

// causesText has a row for each finding and reason, with all that explain it so.
func causesText(table []health.Explanation) string {
	var out strings.Builder
	out.WriteString("| finding | is explained by | because |\n|---|---|---|\n")
	for i := 0; i < len(table); {
		var by []string
		first := table[i]
		for ; i < len(table) && table[i].Finding == first.Finding && table[i].Why == first.Why; i++ {
			by = append(by, chapter(table[i].By))
		}
		fmt.Fprintf(&out, "| %s | %s | %s |\n", chapter(first.Finding), strings.Join(by, ", "), first.Why)
	}
	return out.String()
}

func yesOrNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func findingsText(entries []health.Entry, causes []health.Explanation) string {
	var out strings.Builder
	out.WriteString("| finding | severity | reported after | gone after |\n|---|---|---|---|\n")
	for _, e := range entries {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s | %s | %s |\n", e.Name, e.Name, e.Severity, e.Window, e.Clears)
	}
	for _, e := range entries {
		fmt.Fprintf(&out, "\n### %s\n\n%s\n\n", e.Name, e.Meaning)
		fmt.Fprintf(&out, "*Urgent:* %s; %s.\n\n*Is data at risk?* %s.\n\n", yesOrNo(e.Urgent), e.Why, cmp.Or(e.Risk, "No"))
		var by []string
		for _, x := range causes {
			if x.Finding == e.Name {
				by = append(by, chapter(x.By))
			}
		}
		if by != nil {
			fmt.Fprintf(&out, "*Look first at:* %s.\n\n", strings.Join(by, ", "))
		}
		fmt.Fprintf(&out, "*What to do:* %s\n\n```sh\n%s\n```\n", e.Remedy, strings.Join(e.Commands, "\n"))
	}
	return out.String()
}

func commandsText() string {
	var out strings.Builder
	out.WriteString("| command | what it does |\n|---|---|\n")
	for _, cmd := range newApp(stdio{environ: func() []string { return nil }}).Commands {
		fmt.Fprintf(&out, "| `syncd %s` | %s |\n", cmd.Name, strings.ReplaceAll(cmd.Usage, "|", `\|`))
	}
	return out.String()
}

// Every command of syncd's that a finding's chapter has is one that this syncd takes.
func TestCommandsOfFindingsAreTaken(t *testing.T) {
	seen := 0
	for _, e := range slices.Concat(health.Catalog(), health.CoordinatedCatalog()) {
		for _, line := range e.Commands {
			words := strings.Fields(strings.TrimPrefix(line, "sudo "))
			if words[0] != "syncd" {
				continue
			}
			seen++
			cmd := newApp(stdio{environ: func() []string { return nil }}).Command(words[1])
			require.NotNil(t, cmd, line)
			for _, word := range words[2:] {
				if name, ok := strings.CutPrefix(word, "--"); ok {
					require.True(t, slices.ContainsFunc(cmd.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }), line)
				}
			}
		}
	}
	require.Positive(t, seen)
}

// Each stage has a heading of its own.
func TestEveryStageIsDescribed(t *testing.T) {
	raw, err := os.ReadFile(operatingDoc)
	require.NoError(t, err)
	for _, s := range fsm.Stages() {
		require.Contains(t, string(raw), "\n### "+string(s)+"\n")
	}
}

// The log's fields are those of the document, no more and no fewer.
func TestLogFieldsAreDocumented(t *testing.T) {
	raw, err := os.ReadFile(operatingDoc)
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(raw), "<!-- fields -->")
	table, _, ok := strings.Cut(table, "<!-- /fields -->")
	require.True(t, ok)
	documented := map[string]bool{}
	for row := range strings.Lines(table) {
		if first, rest, ok := strings.Cut(strings.TrimPrefix(row, "| "), " | "); ok && rest != "" {
			for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(first, -1) {
				documented[name[1]] = true
			}
		}
	}
	written := map[string]bool{"time": true, "level": true, "msg": true, logs.FieldRepeated: true}
	for _, dir := range []string{".", "../../internal/daemon", "../../api", "../../gate", "../../pair", "../../watch", "../../health", "../../headsync", "../../journal", "../../gwatclient", "../../beaconclient"} {
		maps.Copy(written, fieldsIn(t, dir))
	}
	require.Equal(t, slices.Sorted(maps.Keys(written)), slices.Sorted(maps.Keys(documented)))
}

// fieldsIn collects the names that the sources of a directory give to log fields.
func fieldsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			name, err := strconv.Unquote(lit.Value)
			require.NoError(t, err)
			out[name] = true
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				switch name := selected(n.Fun); {
				case name == "WithField" && len(n.Args) == 2:
					add(n.Args[0])
				case name == "WithError":
					out["error"] = true
				}
			case *ast.CompositeLit:
				if selected(n.Type) == "Fields" {
					for _, e := range n.Elts {
						add(e.(*ast.KeyValueExpr).Key)
					}
				}
			case *ast.FuncDecl:
				if strings.HasSuffix(n.Name.Name, "Fields") { // builds Fields key by key
					ast.Inspect(n, func(n ast.Node) bool {
						if at, ok := n.(*ast.IndexExpr); ok {
							add(at.Index)
						}
						return true
					})
				}
			}
			return true
		})
	}
	return out
}

func selected(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}
