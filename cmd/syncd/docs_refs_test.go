package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/settings"
)

const root = "../.."

// documents are all Markdown files of the project, by their path from its root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "bin" || d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			name, err := filepath.Rel(root, path)
			require.NoError(t, err)
			out[name] = string(raw)
		}
		return nil
	}))
	require.Contains(t, out, "README.md")
	require.Contains(t, out, "docs/operating.md")
	return out
}

var (
	fence  = regexp.MustCompile("(?ms)^ *```[a-z]*\n(.*?)^ *```")
	span   = regexp.MustCompile("`([^`\n]+)`")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	header = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// TestLinksResolve: a link to a file, and to a heading in it, leads somewhere.
func TestLinksResolve(t *testing.T) {
	docs := documents(t)
	known := map[string][]string{} // the anchors of each document, found once: under the race detector each search is slow
	for name, doc := range docs {
		known[name] = anchors(doc)
	}
	checked := 0
	for name, doc := range docs {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(doc, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			checked++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), file)
			}
			_, err := os.Stat(filepath.Join(root, target))
			require.NoError(t, err, "%s links to %s", name, m[1])
			if anchor != "" {
				require.Contains(t, known[target], anchor, "%s links to %s", name, m[1])
			}
		}
	}
	require.Greater(t, checked, 20)
}

// anchors are those that a forge gives to the headings.
func anchors(doc string) []string {
	var out []string
	for _, m := range header.FindAllStringSubmatch(fence.ReplaceAllString(doc, ""), -1) {
		text := strings.ToLower(strings.ReplaceAll(m[1], "`", ""))
		text = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(text, "")
		out = append(out, strings.ReplaceAll(text, " ", "-"))
	}
	return out
}

// commandLines are the calls of syncd in a document, in blocks and in the text.
func commandLines(doc string) []string {
	var out []string
	call := regexp.MustCompile(`(?:^ *|[;&|(=] *)(?:sudo )?(?:go run \./cmd/syncd|(?:/usr/bin/|bin/)?syncd) +([a-z]+\b[^|;&)>\n#]*)`)
	take := func(text string) {
		for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
			for _, m := range call.FindAllStringSubmatch(line, -1) {
				out = append(out, strings.TrimSpace(m[1]))
			}
		}
	}
	for _, m := range fence.FindAllStringSubmatch(doc, -1) {
		if strings.HasPrefix(strings.TrimSpace(m[0]), "```sh") { // in others stands what syncd says
			take(m[1])
		}
	}
	for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(doc, ""), -1) {
		if strings.HasPrefix(m[1], "syncd ") || strings.HasPrefix(m[1], "go run ./cmd/syncd ") {
			take(m[1])
		}
	}
	return out
}

// TestNamedCommandsExist: every call in a document is one that syncd takes, and
// every command is named in the operator's document.
func TestNamedCommandsExist(t *testing.T) {
	app := newApp(stdio{environ: func() []string { return nil }})
	seen := 0
	for name, doc := range documents(t) {
		if name == "CHANGELOG.md" {
			continue // what was may be named there
		}
		for _, line := range commandLines(doc) {
			words := strings.Fields(line)
			cmd := app.Command(words[0])
			if cmd == nil && words[0] == "help" {
				continue
			}
			require.NotNil(t, cmd, "%s calls `syncd %s`", name, line)
			for _, w := range words[1:] {
				if flag, _, _ := strings.Cut(w, "="); strings.HasPrefix(flag, "--") {
					seen++
					require.Contains(t, flagNames(cmd), strings.TrimRight(flag[2:], ".,:"), "%s calls `syncd %s`", name, line)
				}
			}
		}
	}
	require.Greater(t, seen, 8)
}

func flagNames(cmd *cli.Command) []string {
	out := []string{"help"}
	for _, f := range cmd.Flags {
		out = append(out, f.Names()...)
	}
	return out
}

// foreign are flags of other programs that documents name in the text.
var foreign = []string{"--datadir", "--ws", "--grpc-gateway-host", "--http-web3provider", "--fallback-web3provider"}

// TestNamedThingsExist: flags, settings, variables, make targets, exit codes and
// files that the operator's documents name in the text.
func TestNamedThingsExist(t *testing.T) {
	app := newApp(stdio{environ: func() []string { return nil }})
	flags := []string{}
	for _, cmd := range app.Commands {
		flags = append(flags, flagNames(cmd)...)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	compose, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	require.NoError(t, err)
	installed := installedText(t)
	variable := regexp.MustCompile(`\bSYNCD_[A-Z_]+\b`)
	exits := regexp.MustCompile(`(?:exits|exit code|ends with) ([0-9]+)`)
	docs := documents(t)
	for _, name := range []string{"README.md", "docs/operating.md", "docs/deploying.md", "docs/configuration.md", "docs/api.md"} {
		doc := docs[name]
		for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(doc, ""), -1) {
			word, _, _ := strings.Cut(m[1], " ")
			word, _, _ = strings.Cut(word, "=")
			switch {
			case strings.HasPrefix(word, "--"):
				if !slices.Contains(foreign, word) {
					require.Contains(t, flags, word[2:], "%s names the flag %s", name, m[1])
				}
			case strings.HasPrefix(m[1], "make "):
				target := strings.Fields(m[1])[1]
				require.Regexp(t, `(?m)^`+regexp.QuoteMeta(target)+`:`, string(makefile), "%s names %s", name, m[1])
			case regexp.MustCompile(`^(gwat|beacon|push|api|log)\.[a-z-]+$`).MatchString(strings.TrimSuffix(m[1], ":")) && !strings.HasSuffix(m[1], ".ipc"):
				require.Contains(t, settings.Keys(), strings.TrimSuffix(m[1], ":"), "%s names the setting %s", name, m[1])
			case strings.HasPrefix(word, "/etc/syncd"), strings.HasPrefix(word, "/var/lib/syncd"), strings.HasPrefix(word, "/run/syncd"), strings.HasPrefix(word, "/usr/"):
				place := strings.TrimSuffix(word, "/main.journal") // of the pair main, in data-dir
				require.Contains(t, installed, place, "%s names the path %s", name, m[1])
			case strings.HasPrefix(word, "packaging/"), strings.HasPrefix(word, ".ci/"), strings.HasPrefix(word, "cmd/"), strings.HasPrefix(word, "docs/"):
				_, err := os.Stat(filepath.Join(root, word))
				require.NoError(t, err, "%s names the file %s", name, m[1])
			}
		}
		for _, v := range variable.FindAllString(doc, -1) {
			known := v == settings.EnvName("config") || slices.Contains(settings.ClientVariables, v) || strings.Contains(string(compose), v)
			for _, key := range settings.Keys() {
				known = known || settings.EnvName(key) == v
			}
			require.True(t, known, "%s names the variable %s", name, v)
		}
		for _, m := range exits.FindAllStringSubmatch(doc, -1) {
			require.Contains(t, exitTable(), "\n| "+m[1]+" |", "%s names the exit code %s", name, m[1])
		}
	}
}

// installedText is what says which files the package and the unit bring.
func installedText(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, name := range []string{"packaging/syncd.service", "packaging/build", "packaging/syncd.yaml", "packaging/nfpm.yaml"} {
		raw, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		out.Write(raw)
	}
	return out.String() + " /etc/systemd/system/syncd.service.d /usr/share/doc/syncd/examples"
}

// TestEveryPackageIsInTheArchitecture: each directory with Go code is named in
// the first column of the table of packages.
func TestEveryPackageIsInTheArchitecture(t *testing.T) {
	_, table, _ := strings.Cut(documents(t)["docs/architecture.md"], "\n## Packages\n")
	table, _, _ = strings.Cut(table, "\n## ")
	named := []string{}
	for row := range strings.Lines(table) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(row, "| "), " | "); ok {
			for _, m := range span.FindAllStringSubmatch(first, -1) {
				named = append(named, m[1])
			}
		}
	}
	for _, name := range named {
		require.DirExists(t, filepath.Join(root, name))
	}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "bin" || d.Name() == "testdata" || path != root && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			dir, err := filepath.Rel(root, filepath.Dir(path))
			require.NoError(t, err)
			require.Contains(t, named, dir, "docs/architecture.md names no package %s", dir)
		}
		return nil
	}))
}

// TestTheProgramIsWiringAlone: what is not flags, settings and wiring belongs into a
// package, where a test needs no command line.
func TestTheProgramIsWiringAlone(t *testing.T) {
	const most = 600
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	lines := 0
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			lines += strings.Count(string(raw), "\n")
		}
	}
	require.LessOrEqual(t, lines, most)
}
