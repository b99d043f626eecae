// Package monitoring holds the alert rules and the dashboard for syncd to the
// metrics that a syncd has.
package monitoring

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
	"github.com/gwatsync/syncd/status"
)

// scraped is what a syncd beside a simulated pair tells once that works: as text
// over HTTP, and by name.
func scraped(t *testing.T) ([]byte, map[string]*dto.MetricFamily) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	nodes, err := simnet.Start(t.Context(), simnet.Options{
		World:  world.Config{Seed: 3, GenesisTime: uint64(time.Now().Unix()) - 66, SecondsPerSlot: 1, SlotsPerEpoch: 8},
		Gwat:   gwatsim.Config{SyncSpeed: 120, DAGSpeed: 20, Peers: 2},
		Beacon: beaconsim.Config{SyncSpeed: 60, Peers: 2, IdleWork: true, Driver: beaconsim.DriverOff},
	})
	require.NoError(t, err)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p, err := pair.New(pair.Config{
		Name: "main", Version: "test", Journal: journal.OpenMemory(), Log: log, Registerer: registry,
		Gwat: gwatclient.Config{Endpoint: nodes.GwatWS}, Beacon: beaconclient.Config{URL: nodes.BeaconURL},
		Times: pair.Times{PollInterval: 100 * time.Millisecond, ReadyInterval: 100 * time.Millisecond},
	})
	require.NoError(t, err)
	server, err := api.New(api.Config{Listen: "127.0.0.1:0", Gatherer: registry, Log: log}, p)
	require.NoError(t, err)
	require.NoError(t, server.Listen())
	changes, unsubscribe := p.Subscribe()
	defer unsubscribe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- p.Run(ctx) }()
	go func() { done <- server.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		require.NoError(t, nodes.Close())
	}()
	late := time.After(2 * time.Minute)
	for stage := ""; stage != string(fsm.Working); {
		select {
		case c := <-changes:
			stage = c.To
			if stage == string(fsm.Switching) {
				nodes.Beacon.SetIdle(false)
			}
		case <-late:
			require.Fail(t, "the pair does not work", stage)
		}
	}
	res, err := http.Get(server.URL() + "/metrics")
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	families, err := registry.Gather()
	require.NoError(t, err)
	out := map[string]*dto.MetricFamily{}
	for _, f := range families {
		out[f.GetName()] = f
	}
	return text, out
}

// documented are the metrics with their labels, from the document that is held
// to the registry.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	out := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (gauge|counter|histogram) \\| ([^|]*) \\|").FindAllStringSubmatch(string(raw), -1) {
		labels := append([]string{"pair", "job", "instance"}, regexp.MustCompile("[a-z_]+").FindAllString(row[3], -1)...)
		out[row[1]] = labels
		if row[2] == "histogram" {
			delete(out, row[1])
			out[row[1]+"_bucket"] = append(slices.Clone(labels), "le")
			out[row[1]+"_sum"], out[row[1]+"_count"] = labels, labels
		}
	}
	require.Greater(t, len(out), 30)
	for _, name := range []string{"up", "process_start_time_seconds", "process_resident_memory_bytes"} {
		out[name] = []string{"job", "instance"} // of Prometheus and of its library
	}
	return out
}

var (
	selector = regexp.MustCompile(`\b([a-z][a-z0-9_]*)\s*(?:\{([^}]*)\})`)
	bare     = regexp.MustCompile(`\b(?:syncd|process|go)_[a-z0-9_]+\b`)
	matcher  = regexp.MustCompile(`([a-zA-Z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(?:by|without|on|ignoring)\s*\(([^)]*)\)`)
	quoted   = regexp.MustCompile(`"[^"]*"`)
)

// asked finds the query that an annotation makes.
var asked = regexp.MustCompile(`printf "([^"]*)" [^|]*\| query`)

// check tells what a query asks for that is not there: metrics, labels, and
// values of labels whose values are known.
func check(query string, metrics map[string][]string, values map[string]map[string]bool) []string {
	var wrong, all []string
	for _, m := range selector.FindAllStringSubmatch(query, -1) {
		labels, ok := metrics[m[1]]
		if !ok {
			wrong = append(wrong, "no metric "+m[1])
			continue
		}
		all = append(all, labels...)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				wrong = append(wrong, m[1]+" has no label "+l[1])
			}
			if known := values[l[1]]; known != nil && !strings.HasPrefix(l[3], "$") && l[3] != "%s" && !matchesAny(l[2], l[3], known) {
				wrong = append(wrong, "label "+l[1]+" is never "+l[3])
			}
		}
	}
	for _, name := range bare.FindAllString(quoted.ReplaceAllString(query, `""`), -1) {
		if metrics[name] == nil {
			wrong = append(wrong, "no metric "+name)
		}
		all = append(all, metrics[name]...)
	}
	for _, g := range grouping.FindAllStringSubmatch(query, -1) {
		for l := range strings.SplitSeq(g[1], ",") {
			if !slices.Contains(all, strings.TrimSpace(l)) {
				wrong = append(wrong, "grouped by "+l+", which none of its metrics has")
			}
		}
	}
	return wrong
}

func matchesAny(op, want string, known map[string]bool) bool {
	if strings.HasSuffix(op, "~") {
		for part := range strings.SplitSeq(want, "|") {
			pattern := regexp.MustCompile("^(?:" + part + ")$")
			if !slices.ContainsFunc(slices.Collect(maps.Keys(known)), pattern.MatchString) {
				return false
			}
		}
		return true
	}
	return known[want]
}

// values gives the values of the labels of a scrape.
func values(families map[string]*dto.MetricFamily) map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for name, f := range families {
		if !strings.HasPrefix(name, "syncd_") {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if out[l.GetName()] == nil {
					out[l.GetName()] = map[string]bool{}
				}
				out[l.GetName()][l.GetValue()] = true
			}
		}
	}
	return out
}

type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr         string
			Labels, Annotations map[string]string
		}
	}
}

func TestMonitoring(t *testing.T) {
	text, families := scraped(t)
	metrics, known := documented(t), values(families)

	t.Run("the document has every metric of a live scrape", func(t *testing.T) {
		for name := range families {
			if strings.HasPrefix(name, "syncd_") {
				_, plain := metrics[name]
				_, histogram := metrics[name+"_bucket"]
				require.True(t, plain || histogram, name)
			}
		}
	})
	t.Run("promtool takes a live scrape", func(t *testing.T) {
		promtool(t, text, "check", "metrics")
	})
	t.Run("alerts", func(t *testing.T) {
		var file rules
		readYAML(t, "alerts.yml", &file)
		seen := 0
		for _, r := range file.Groups[0].Rules {
			seen++
			require.Empty(t, check(r.Expr, metrics, known), r.Alert)
			require.Contains(t, []string{"page", "ticket"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["description"], r.Alert)
			for _, text := range r.Annotations {
				for _, q := range asked.FindAllStringSubmatch(text, -1) {
					require.Empty(t, check(strings.ReplaceAll(q[1], "'", `"`), metrics, known), r.Alert)
				}
			}
		}
		require.Positive(t, seen)
	})
	t.Run("dashboard", func(t *testing.T) {
		raw, err := os.ReadFile("dashboard.json")
		require.NoError(t, err)
		var board any
		require.NoError(t, json.Unmarshal(raw, &board))
		queries := queriesOf(board)
		require.Greater(t, len(queries), 25)
		for _, q := range queries {
			require.Empty(t, check(q, metrics, known), q)
		}
		used := strings.Join(queries, " ")
		for name := range metrics { // each histogram has its place on the board
			if base, histogram := strings.CutSuffix(name, "_bucket"); histogram || strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count") {
				require.Contains(t, used, strings.TrimSuffix(strings.TrimSuffix(base, "_sum"), "_count"))
			}
		}
		noOverlap(t, raw)
		for _, name := range append(slices.Collect(maps.Keys(known["verdict"])), slices.Collect(maps.Keys(known["stage"]))...) {
			require.Contains(t, coloursOf(board), name, "it has no colour")
		}
		for _, severity := range []string{status.SeverityCritical, status.SeverityWarning, status.SeverityInfo} {
			require.Contains(t, coloursOf(board), severity)
		}
		require.Contains(t, string(raw), runbook+"${__value.text}", "a finding leads to its chapter")
		require.Contains(t, string(raw), "http://${__value.text}/", "an instance leads to its page")
	})
}

// coloursOf returns what a board gives a colour, by the name of a series or a value.
func coloursOf(v any) map[string]bool {
	out := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			if matcher, ok := x["matcher"].(map[string]any); ok && matcher["id"] == "byName" {
				if text, err := json.Marshal(x["properties"]); err == nil && strings.Contains(string(text), "fixedColor") {
					out[fmt.Sprint(matcher["options"])] = true
				}
			}
			for key, e := range x {
				if m, ok := e.(map[string]any); ok && m["color"] != nil {
					out[key] = true
				}
				walk(e)
			}
		}
	}
	walk(v)
	return out
}

// queriesOf gives every expression and every query of a variable.
func queriesOf(v any) []string {
	var out []string
	switch x := v.(type) {
	case map[string]any:
		for key, e := range x {
			text, ok := e.(string)
			switch {
			case ok && key == "expr":
				out = append(out, text)
			case ok && key == "query" && strings.HasPrefix(text, "label_values("):
				name, label, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(text, "label_values("), ")"), ",")
				out = append(out, "sum by ("+strings.TrimSpace(label)+") ("+name+")")
			default:
				out = append(out, queriesOf(e)...)
			}
		}
	case []any:
		for _, e := range x {
			out = append(out, queriesOf(e)...)
		}
	}
	return out
}

// noOverlap requires that the panels lie beside each other, on 24 columns.
func noOverlap(t *testing.T, raw []byte) {
	t.Helper()
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &board))
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range board.Panels {
		require.False(t, ids[p.ID], p.Title)
		ids[p.ID] = true
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				require.Empty(t, taken[at], p.Title)
				taken[at] = p.Title
			}
		}
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(raw, into))
}

// promtool runs Prometheus' own checker, if this machine has it.
func promtool(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("there is no promtool on this machine (Debian: prometheus): this is not checked with it")
	}
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "error")
}

func TestAlertRulesFireAsTheirTestsSay(t *testing.T) {
	promtool(t, nil, "check", "rules", "alerts.yml")
	promtool(t, nil, "test", "rules", "alerts_test.yml")
}

// Each alert is seen to fire, and in another test, and at another time, not to.
func TestEachAlertIsTestedBothWays(t *testing.T) {
	var file rules
	readYAML(t, "alerts.yml", &file)
	var tests struct {
		Tests []struct {
			Name  string
			Cases []struct {
				Alert string           `yaml:"alertname"`
				Fires []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "alerts_test.yml", &tests)
	fires, silent := map[string]int{}, map[string]map[string]bool{}
	for _, test := range tests.Tests {
		for _, c := range test.Cases {
			if len(c.Fires) > 0 {
				fires[c.Alert]++
				continue
			}
			if silent[c.Alert] == nil {
				silent[c.Alert] = map[string]bool{}
			}
			silent[c.Alert][test.Name] = true
		}
	}
	for _, r := range file.Groups[0].Rules {
		require.Positive(t, fires[r.Alert], "%s is never seen to fire", r.Alert)
		require.GreaterOrEqual(t, len(silent[r.Alert]), 2, "%s is silent beside a healthy pair, and before its time", r.Alert)
		delete(fires, r.Alert)
	}
	require.Empty(t, fires, "tested, and no alert")
}

func TestTheCheckOfQueriesBites(t *testing.T) {
	metrics := map[string][]string{"syncd_verdict": {"pair", "verdict"}, "syncd_x_bucket": {"le", "node"}}
	known := map[string]map[string]bool{"verdict": {"working": true, "halted": true}}
	for query, want := range map[string]string{
		`syncd_verdict{verdict="working"} == 1`:                  "",
		`syncd_verdict{verdict=~"working|halted", pair="$pair"}`: "",
		`sum by (le) (rate(syncd_x_bucket[5m]))`:                 "",
		`syncd_verdicts{verdict="working"}`:                      "no metric syncd_verdicts",
		`time() - syncd_gone`:                                    "no metric syncd_gone",
		`syncd_verdict{stage="working"}`:                         "no label stage",
		`syncd_verdict{verdict="wroking"}`:                       "never wroking",
		`syncd_verdict{verdict=~"working|gone"}`:                 "never working|gone",
		`sum by (node) (syncd_verdict)`:                          "grouped by node",
	} {
		wrong := strings.Join(check(query, metrics, known), "; ")
		if want == "" {
			require.Empty(t, wrong, query)
			continue
		}
		require.Contains(t, wrong, want, query)
	}
}
