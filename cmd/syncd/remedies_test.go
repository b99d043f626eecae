package main

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"
	"go.yaml.in/yaml/v3"

	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/commandline"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// printed are the commands of syncd that operators read: in findings, in the texts of the
// program, in the alerts and in the documents; each with where it stands.
func printed(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	spans := func(where, text string) {
		for _, m := range span.FindAllStringSubmatch(text, -1) {
			if line, ok := strings.CutPrefix(m[1], "syncd "); ok && !strings.ContainsAny(line, "|…") {
				out[strings.TrimSpace(line)] = where
			}
		}
	}
	for _, e := range slices.Concat(health.Catalog(), health.CoordinatedCatalog()) {
		spans("the remedy of "+e.Name, e.Remedy)
	}
	for where, text := range literals(t) {
		spans(where, text)
	}
	alerts, err := os.ReadFile(filepath.Join(root, "monitoring", "alerts.yml"))
	require.NoError(t, err)
	spans("monitoring/alerts.yml", string(alerts))
	docs := documents(t)
	delete(docs, "CHANGELOG.md")
	for name, doc := range docs {
		for _, line := range commandLines(doc) {
			out[strings.TrimSuffix(line, ` \`)] = name
		}
	}
	return out
}

// literals are the texts in the sources of the program, by file and line.
func literals(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				out[files.Position(lit.Pos()).String()] = text
			}
			return true
		})
		return nil
	}))
	return out
}

var (
	// onlyParsed are commands that a test does not carry out: they run until they are
	// stopped, bind fixed addresses, ask other hosts, or are named without what they need.
	onlyParsed = regexp.MustCompile(`^(run|demo)\b|^(record|replay|completion)$|example\.org`)
	ofPackage  = regexp.MustCompile(`/etc/syncd/[a-z]+\.yaml`)
)

// TestEveryPrintedCommandRuns: what operators are told to type works as it is printed, on
// the machine of the package, against a running pair.
func TestEveryPrintedCommandRuns(t *testing.T) {
	commands := printed(t)
	for _, known := range []string{"resume", "check", "explain", "status --watch", "record --out pair.bundle"} {
		require.Contains(t, commands, known)
	}
	places := startPair(t)
	t.Chdir(t.TempDir())
	typed := func(line string) outcome {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		args := words(t, ofPackage.ReplaceAllLiteralString(line, places.File))
		if slices.Contains(args, "--watch") || slices.Contains(args, "--follow") {
			ctx, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
			defer cancel()
		}
		if args[0] == "record" {
			args = append(args, "--for", "1s")
		}
		var stdout, stderr buffer
		std := testStdio(nil, &stdout, &stderr, args...)
		std.places = places
		return outcome{execute(ctx, std), stdout.String(), stderr.String()}
	}
	require.Equal(t, exit.OK, typed("wait --timeout 25s").code)

	order := slices.SortedFunc(maps.Keys(commands), func(a, b string) int { // a recording is made before it is replayed
		return strings.Compare(strings.Replace(a, "replay", "z", 1), strings.Replace(b, "replay", "z", 1))
	})
	for _, line := range order {
		app := newApp(testStdio(nil, &buffer{}, &buffer{}))
		for _, cmd := range app.Commands {
			cmd.Action = func(context.Context, *cli.Command) error { return nil }
		}
		line := strings.Join(strings.Fields(line), " ")
		require.NoError(t, app.Run(t.Context(), append([]string{"syncd"}, words(t, line)...)), "`syncd %s` of %s", line, commands[line])
		if onlyParsed.MatchString(line) {
			continue
		}
		out := typed(line)
		said := fmt.Sprintf("`syncd %s` of %s: %s%s", line, commands[line], out.stdout, out.stderr)
		require.NotEqual(t, exit.Usage, out.code, said)
		if !strings.Contains(out.stderr, "--force") { // as a resync says while the pair works
			require.NotEqual(t, exit.Internal, out.code, said)
		}
	}
}

// words splits a command line as a shell does.
func words(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `printf '%s\n' `+line).Output()
	require.NoError(t, err, line)
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// TestRemediesQuoteTheirCommands: else the test above does not see them.
func TestRemediesQuoteTheirCommands(t *testing.T) {
	var names []string
	for _, cmd := range newApp(testStdio(nil, &buffer{}, &buffer{})).Commands {
		names = append(names, cmd.Name)
	}
	bare := regexp.MustCompile(`\bsyncd (` + strings.Join(names, "|") + `)\b`)
	for _, e := range slices.Concat(health.Catalog(), health.CoordinatedCatalog()) {
		require.NotRegexp(t, bare, span.ReplaceAllString(e.Remedy, ""), e.Name)
	}
	alerts, err := os.ReadFile(filepath.Join(root, "monitoring", "alerts.yml"))
	require.NoError(t, err)
	require.NotRegexp(t, bare, span.ReplaceAllString(string(alerts), ""), "write the command in backticks")
}

// startPair runs syncd as the package does, as the gate of a simulated pair, and returns
// where its file and its socket are.
func startPair(t *testing.T) commandline.Places {
	t.Helper()
	dir := t.TempDir()
	places := commandline.Places{File: filepath.Join(dir, "syncd.yaml"), Socket: filepath.Join(dir, "s")}
	gate := freeAddress(t)
	nodes, err := simnet.Start(t.Context(), simnet.Options{
		World:  world.Config{Seed: 3, GenesisTime: uint64(time.Now().Unix()) - 40, SecondsPerSlot: 1, SlotsPerEpoch: 8},
		Gwat:   gwatsim.Config{SyncSpeed: 1000, DAGSpeed: 200},
		Beacon: beaconsim.Config{SyncSpeed: 200},
		Between: func(p *simnet.Pair) (string, error) {
			file := fmt.Sprintf("gwat: {endpoint: %s}\nbeacon: {endpoint: %s}\ngate: {listen: %s}\ndata-dir: %s\napi: {listen: %s, socket: %s, jwt-secret: %s}\npoll-interval: 100ms\n",
				p.GwatWS, p.BeaconURL, gate, dir, freeAddress(t), places.Socket, writeFile(t, "jwt", digits))
			return "http://" + gate, os.WriteFile(places.File, []byte(file), 0o600)
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, nodes.Close()) })
	_, stderr, _ := background(t, "run", "--config", places.File)
	require.Eventually(t, func() bool { return strings.Contains(stderr.String(), "syncd starts") }, 10*time.Second, 10*time.Millisecond)
	return places
}

// runIn runs syncd with an environment until the end of the test.
func runIn(t *testing.T, environ []string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var stdout, stderr buffer
	done := make(chan int)
	go func() { done <- execute(ctx, testStdio(environ, &stdout, &stderr, args...)) }()
	t.Cleanup(func() { cancel(); require.Equal(t, exit.OK, <-done) })
	require.Eventually(t, func() bool { return strings.Contains(stderr.String(), "syncd starts") }, 10*time.Second, 10*time.Millisecond)
}

// A syncd that a user runs without any setting takes that user's orders.
func TestOrdersOfAUser(t *testing.T) {
	environ := []string{"XDG_RUNTIME_DIR=" + t.TempDir(), "SYNCD_GWAT_ENDPOINT=ws://127.0.0.1:1", "SYNCD_BEACON_ENDPOINT=http://127.0.0.1:1"}
	runIn(t, environ, "run", "--data-dir", t.TempDir(), "--api.listen", "127.0.0.1:0")
	for _, line := range []string{"pause --reason test", "resume"} {
		out := syncd(t, environ, splitArgs(line)...)
		require.Equal(t, exit.OK, out.code, out.stderr)
	}
	require.NotEqual(t, exit.Unreachable, syncd(t, environ, "status").code)
	out := syncd(t, environ[1:], "resume")
	require.Equal(t, exit.Usage, out.code)
	oneLine(t, out.stderr, "tried --api and --socket (not given)", "set api.socket")
}

// In a container the commands find their syncd by the environment that it runs in, so that
// `docker-compose exec syncd /syncd pause` works as printed.
func TestOrdersInAContainer(t *testing.T) {
	environ := containerEnviron(t)
	runIn(t, environ, "run")
	asked := regexp.MustCompile("docker-compose exec syncd /syncd ([a-z][^`\n]*)")
	seen := 0
	for _, name := range []string{"docs/deploying.md", "docs/operating.md", "docker-compose.yml"} {
		raw, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		for _, m := range asked.FindAllStringSubmatch(string(raw), -1) {
			seen++
			out := syncd(t, environ, words(t, m[1])...)
			require.Empty(t, out.stderr, "%s of %s", m[0], name)
		}
	}
	require.Greater(t, seen, 3)
	require.Equal(t, exit.OK, syncd(t, environ, "pause").code)
	require.Equal(t, exit.Paused, syncd(t, environ, "status").code)
	require.Equal(t, exit.OK, syncd(t, environ, "healthcheck").code)
}

// containerEnviron is the environment of syncd in the composition and its image, with
// directories and addresses of this machine.
func containerEnviron(t *testing.T) (environ []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	require.NoError(t, err)
	var composition struct {
		Services map[string]struct {
			Environment map[string]string
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &composition))
	env := composition.Services["syncd"].Environment
	image, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	_, stage, ok := strings.Cut(string(image), "AS syncd\n")
	require.True(t, ok)
	for _, m := range regexp.MustCompile(`(SYNCD_[A-Z_]+)=(\S+)`).FindAllStringSubmatch(stage, -1) {
		env[m[1]] = m[2]
	}
	require.Equal(t, "/data", env["SYNCD_DATA_DIR"])
	listen := freeAddress(t)
	dir := t.TempDir()
	defaults := regexp.MustCompile(`\$\{[A-Z_]+:-([^}]*)\}`)
	for name, value := range env {
		value = defaults.ReplaceAllString(value, "$1")
		value = strings.NewReplacer("/data", dir, "0.0.0.0:8650", listen, "0.0.0.0:8550", "127.0.0.1:0", "//gwat:", "//127.0.0.1:1", "//beacon:", "//127.0.0.1:1").Replace(value)
		environ = append(environ, name+"="+value)
	}
	return environ
}
