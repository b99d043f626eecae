package monitoring

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/status"
)

const runbook = "https://github.com/gwatsync/syncd/blob/main/docs/operating.md#"

// catalog are the findings of both eras.
func catalog() []health.Entry {
	out, seen := []health.Entry{}, map[string]bool{}
	for _, e := range slices.Concat(health.Catalog(), health.CoordinatedCatalog()) {
		if !seen[e.Name] {
			seen[e.Name] = true
			out = append(out, e)
		}
	}
	return out
}

// findingTest is a promtool test in which one finding stands with the verdict that follows
// from it: a critical one pages for its pair, a warning is a ticket, an info is nothing.
func findingTest(e health.Entry) string {
	verdict, page, ticket := "syncing", "[]", "[]"
	switch e.Severity {
	case status.SeverityCritical:
		verdict = "failing"
		page = fmt.Sprintf(`
          - exp_labels: {severity: page, job: syncd, instance: a, pair: main}
            exp_annotations:
              summary: "The pair main does not do its work: %s"
              description: "Its verdict is failing. The findings and what to do: `+"`syncd doctor`"+`. syncd goes on by itself once the cause is gone."
              runbook_url: %s%s`, e.Name, runbook, e.Name)
	case status.SeverityWarning:
		ticket = fmt.Sprintf(`
          - exp_labels: {severity: ticket, job: syncd, instance: a, pair: main, name: %s}
            exp_annotations:
              summary: The pair main has had %s for half an hour
              description: "It should heal by itself and has not. What to do: `+"`syncd doctor`"+`."
              runbook_url: %s%s`, e.Name, e.Name, runbook, e.Name)
	}
	return fmt.Sprintf(`
  - name: %[1]s
    interval: 1m
    input_series:
      - series: syncd_verdict{job="syncd", instance="a", pair="main", verdict="%[2]s"}
        values: 1x60
      - series: syncd_gwat_finalized_number{job="syncd", instance="a", pair="main"}
        values: 0+1x60
      - series: syncd_finding{job="syncd", instance="a", pair="main", name="%[1]s", severity="%[3]s"}
        values: 1x60
      - series: syncd_finding{job="syncd", instance="another", pair="main", name="gwat_hung", severity="critical"}
        values: 0x60
    alert_rule_test:
      - {eval_time: 1m, alertname: SyncdPairNotWorking, exp_alerts: []}
      - eval_time: 40m
        alertname: SyncdPairNotWorking
        exp_alerts: %[4]s
      - eval_time: 40m
        alertname: SyncdFinding
        exp_alerts: %[5]s
`, e.Name, verdict, e.Severity, page, ticket)
}

// Each finding of both eras is told by Prometheus once, with a link to its chapter.
func TestEachFindingAlertsOnce(t *testing.T) {
	rules, err := filepath.Abs("alerts.yml")
	require.NoError(t, err)
	chapters, err := os.ReadFile("../docs/operating.md")
	require.NoError(t, err)
	text := "rule_files: [" + rules + "]\nevaluation_interval: 1m\ntests:\n"
	for _, e := range catalog() {
		require.Contains(t, string(chapters), "\n### "+e.Name+"\n")
		text += findingTest(e)
	}
	path := filepath.Join(t.TempDir(), "findings_test.yml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	promtool(t, nil, "test", "rules", path)
}

// anchors are the headings of a Markdown text as links to them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchor := strings.ToLower(strings.ReplaceAll(h[1], " ", "-"))
		out[regexp.MustCompile(`[^a-z0-9_-]`).ReplaceAllString(anchor, "")] = true
	}
	return out
}

// Every alert has a runbook_url, and what it points at is a chapter.
func TestRunbooksAreChapters(t *testing.T) {
	raw, err := os.ReadFile("../docs/operating.md")
	require.NoError(t, err)
	known := anchors(string(raw))
	var file rules
	readYAML(t, "alerts.yml", &file)
	for _, r := range file.Groups[0].Rules {
		anchor, ok := strings.CutPrefix(r.Annotations["runbook_url"], runbook)
		require.True(t, ok, r.Alert)
		switch {
		case strings.HasPrefix(anchor, "{{ with"):
			require.Contains(t, anchor, "{{ else }}every-finding{{ end }}")
			anchor = "every-finding"
		case strings.Contains(anchor, "$labels.name"):
			continue // TestEachFindingAlertsOnce
		}
		for _, node := range []string{"gwat", "beacon"} {
			require.True(t, known[strings.ReplaceAll(anchor, "{{ $labels.node }}", node)], "%s: no chapter %s", r.Alert, anchor)
		}
	}
}

// labelsOf are the labels with which an alert fires, from the tests of alerts_test.yml.
func labelsOf(t *testing.T) map[string][]string {
	t.Helper()
	var tests struct {
		Tests []struct {
			Cases []struct {
				Alert string `yaml:"alertname"`
				Fires []struct {
					Labels map[string]string `yaml:"exp_labels"`
				} `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "alerts_test.yml", &tests)
	out := map[string][]string{}
	for _, test := range tests.Tests {
		for _, c := range test.Cases {
			for _, f := range c.Fires {
				for label := range f.Labels {
					out[c.Alert] = append(out[c.Alert], label)
				}
			}
		}
	}
	return out
}

// The inhibitions name alerts that there are, by labels that both have; no alert silences
// itself, nor does a ticket silence a page.
func TestInhibitionsFitTheAlerts(t *testing.T) {
	var file rules
	readYAML(t, "alerts.yml", &file)
	var inhibit struct {
		Rules []struct {
			Source []string `yaml:"source_matchers"`
			Target []string `yaml:"target_matchers"`
			Equal  []string
		} `yaml:"inhibit_rules"`
	}
	readYAML(t, "alertmanager-inhibit.yml", &inhibit)
	severity := map[string]string{}
	for _, r := range file.Groups[0].Rules {
		severity[r.Alert] = r.Labels["severity"]
	}
	matching := func(matchers []string) (out []string) {
		require.Len(t, matchers, 1)
		m := regexp.MustCompile(`^alertname =(~?) "(.*)"$`).FindStringSubmatch(matchers[0])
		require.NotNil(t, m, matchers[0])
		for part := range strings.SplitSeq(m[2], "|") {
			pattern, found := regexp.MustCompile("^(?:"+part+")$"), false
			for alert := range severity {
				if alert == part || m[1] == "~" && pattern.MatchString(alert) {
					out, found = append(out, alert), true
				}
			}
			require.True(t, found, "no alert is %s", part)
		}
		return out
	}
	labels := labelsOf(t)
	silenced := map[string][]string{}
	for _, r := range inhibit.Rules {
		for _, source := range matching(r.Source) {
			require.Equal(t, "page", severity[source], source)
			for _, target := range matching(r.Target) {
				require.NotEqual(t, source, target)
				require.NotContains(t, silenced[source], target, "%s and %s silence each other", source, target)
				silenced[target] = append(silenced[target], source)
				for _, label := range r.Equal {
					for _, alert := range []string{source, target} {
						if label == "job" || label == "instance" { // every target has them; not every test does
							continue
						}
						require.Contains(t, labels[alert], label, "%s by which %s is to be silenced", alert, label)
					}
				}
			}
		}
	}
	for _, ticket := range []string{"SyncdFinding", "SyncdLosesWork", "SyncdNodeSlow", "SyncdPairFellBack"} {
		require.Contains(t, silenced[ticket], "SyncdPairNotWorking")
	}
}

// In a fleet of 200 pairs each one that fails pages once, with its own finding and no other.
func TestAlertsOfAFleet(t *testing.T) {
	var series, alerts strings.Builder
	names := []string{"gwat_hung", "beacon_hung"}
	for i := range 200 {
		labels, verdict := fmt.Sprintf(`job="syncd", instance="host%d:8650", pair="p%d"`, i, i), "working"
		if i%4 == 0 {
			verdict = "failing"
			name := names[i/4%2]
			fmt.Fprintf(&series, "      - {series: 'syncd_finding{%s, name=\"%s\", severity=\"critical\"}', values: 1x20}\n", labels, name)
			fmt.Fprintf(&alerts, `
          - exp_labels: {severity: page, job: syncd, instance: "host%[1]d:8650", pair: p%[1]d}
            exp_annotations:
              summary: "The pair p%[1]d does not do its work: %[2]s"
              description: "Its verdict is failing. The findings and what to do: `+"`syncd doctor`"+`. syncd goes on by itself once the cause is gone."
              runbook_url: %[3]s%[2]s`, i, name, runbook)
		}
		fmt.Fprintf(&series, "      - {series: 'syncd_verdict{%s, verdict=\"%s\"}', values: 1x20}\n", labels, verdict)
	}
	rules, err := filepath.Abs("alerts.yml")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "fleet.yml")
	text := fmt.Sprintf("rule_files: [%s]\ntests:\n  - interval: 1m\n    input_series:\n%s    alert_rule_test:\n      - eval_time: 10m\n        alertname: SyncdPairNotWorking\n        exp_alerts:%s\n", rules, series.String(), alerts.String())
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	promtool(t, nil, "test", "rules", path)
}
