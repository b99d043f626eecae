package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/gwatsync/syncd/settings"
)

// TestDocumentedConfigurationsLoad: each piece of a configuration in a document of
// operators is one that syncd takes.
func TestDocumentedConfigurationsLoad(t *testing.T) {
	seen := 0
	for _, name := range []string{"docs/operating.md", "docs/deploying.md"} {
		for _, m := range fence.FindAllStringSubmatch(documents(t)[name], -1) {
			if !strings.HasPrefix(strings.TrimSpace(m[0]), "```yaml") {
				continue
			}
			seen++
			cfg, err := settings.Load(settings.Input{File: writeFile(t, "syncd.yaml", m[1])})
			require.NoError(t, err, "%s:\n%s", name, m[1])
			require.NoError(t, cfg.Check(), "%s:\n%s", name, m[1])
		}
	}
	require.Greater(t, seen, 2)
}

// TestTheTemplateOfSeveralPairs makes the unit as docs/deploying.md says: nothing
// in it is shared by two pairs.
func TestTheTemplateOfSeveralPairs(t *testing.T) {
	m := regexp.MustCompile(`(?s)\n(sed -e .*?\\\n  /usr/lib/systemd/system/syncd\.service) \| sudo tee (\S+)\n`).FindStringSubmatch(documents(t)["docs/deploying.md"])
	require.NotNil(t, m)
	require.Equal(t, "/etc/systemd/system/syncd@.service", m[2])
	unit, err := filepath.Abs(filepath.Join(root, "packaging/syncd.service"))
	require.NoError(t, err)
	out, err := exec.Command("sh", "-c", strings.Replace(m[1], "/usr/lib/systemd/system/syncd.service", unit, 1)).Output()
	require.NoError(t, err)
	text := string(out)
	for _, line := range []string{
		"ExecStart=/usr/bin/syncd run --config /etc/syncd/%i.yaml", "User=syncd-%i", "StateDirectory=syncd-%i",
		"RuntimeDirectory=syncd-%i", "WorkingDirectory=%S/syncd-%i",
	} {
		require.Contains(t, text, line+"\n")
	}
	before, err := os.ReadFile(unit)
	require.NoError(t, err)
	require.Equal(t, bytes.Count(before, []byte("\n")), strings.Count(text, "\n"))
}

// TestTheKubernetesExample: its settings are valid, its probes ask what the API
// serves, and the liveness probe does not ask for the pair.
func TestTheKubernetesExample(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "packaging/examples/kubernetes.yaml"))
	require.NoError(t, err)
	type probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	}
	type container struct {
		Name      string
		Env       []struct{ Name, Value string }
		Args      []string
		Liveness  probe `yaml:"livenessProbe"`
		Readiness probe `yaml:"readinessProbe"`
		Ports     []struct {
			Name string
			Port int `yaml:"containerPort"`
		}
	}
	var set struct {
		Kind string
		Spec struct {
			Template struct {
				Spec struct{ Containers []container }
			}
		}
	}
	require.NoError(t, yaml.NewDecoder(bytes.NewReader(raw)).Decode(&set))
	require.Equal(t, "StatefulSet", set.Kind)
	byName := map[string]container{}
	for _, c := range set.Spec.Template.Spec.Containers {
		byName[c.Name] = c
	}
	syncd := byName["syncd"]
	environ := []string{}
	for _, e := range syncd.Env {
		environ = append(environ, e.Name+"="+e.Value)
	}
	cfg, err := settings.Load(settings.Input{Environ: environ})
	require.NoError(t, err)
	require.NoError(t, cfg.Check())
	require.Equal(t, "/livez", syncd.Liveness.HTTPGet.Path)
	require.Equal(t, "/readyz", syncd.Readiness.HTTPGet.Path)
	require.Equal(t, syncd.Ports[0].Name, syncd.Liveness.HTTPGet.Port)
	require.Contains(t, byName["beacon"].Args, "--http-web3provider=http://"+cfg.Gate.Listen)
	require.Contains(t, byName["gwat"].Args, "--ipcpath="+cfg.Gwat.Endpoint)
}
