package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The second compose file mounts what there is, scrapes the service of the first one under
// the job that the alerts look for, and is a file that docker-compose takes.
func TestComposeFileOfTheMonitoring(t *testing.T) {
	type compose struct {
		Services map[string]struct {
			Image   string
			Volumes []string
			Ports   []string
		}
	}
	var pair, stack compose
	readYAML(t, "../docker-compose.yml", &pair)
	readYAML(t, "../docker-compose.monitoring.yml", &stack)
	mounted := map[string]string{} // path in the container to the file here
	for name, service := range stack.Services {
		require.NotContains(t, pair.Services, name)
		for _, volume := range service.Volumes {
			from, to, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(from, "./") {
				continue
			}
			path := filepath.Join("..", from)
			require.FileExists(t, path+map[bool]string{true: "/datasources/prometheus.yml"}[isDir(t, path)])
			mounted[name+strings.TrimSuffix(to, ":ro")] = path
		}
		for _, port := range service.Ports {
			require.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s is open to other machines", port)
		}
	}
	var prometheus struct {
		Rules []string `yaml:"rule_files"`
		Jobs  []struct {
			Name    string                       `yaml:"job_name"`
			Targets []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, mounted["prometheus/etc/prometheus/prometheus.yml"], &prometheus)
	for _, rule := range prometheus.Rules {
		require.Contains(t, mounted, "prometheus/etc/prometheus/"+rule)
	}
	require.Equal(t, "syncd", prometheus.Jobs[0].Name)
	host, port, _ := strings.Cut(prometheus.Jobs[0].Targets[0].Targets[0], ":")
	require.Contains(t, pair.Services[host].Ports[0], ":"+port)
	require.Equal(t, "dashboard.json", filepath.Base(mounted["grafana/etc/grafana/dashboards/dashboard.json"]))

	promtool(t, nil, "check", "config", "prometheus.yml")
	if _, err := exec.LookPath("docker-compose"); err != nil {
		t.Skip("there is no docker-compose on this machine: it has not taken the file")
	}
	out, err := exec.CommandContext(t.Context(), "docker-compose", "-f", "../docker-compose.yml", "-f", "../docker-compose.monitoring.yml", "config").CombinedOutput()
	require.NoError(t, err, string(out))
}

func isDir(t *testing.T, path string) bool {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.IsDir()
}
