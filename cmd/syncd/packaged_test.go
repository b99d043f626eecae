package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const packagedConfig = "../../packaging/syncd.yaml"

// packagedValues are what the package sets where it differs from the defaults,
// or where everybody has to decide.
var packagedValues = map[string]string{
	"gwat.endpoint":   "ws://127.0.0.1:8546",
	"beacon.endpoint": "http://127.0.0.1:3500",
	"data-dir":        "/var/lib/syncd",
	"api.socket":      "/run/syncd/syncd.sock",
}

// TestPackagedConfiguration holds packaging/syncd.yaml, the package's
// /etc/syncd/syncd.yaml, to the settings.
func TestPackagedConfiguration(t *testing.T) {
	got := packagedFile(true)
	if *update {
		require.NoError(t, os.WriteFile(packagedConfig, []byte(got), 0o644))
	}
	want, err := os.ReadFile(packagedConfig)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run `make docs`")

	defaults, err := loaded(t, nil)
	require.NoError(t, err)
	defaults.Gwat.Endpoint, defaults.DataDir, defaults.API.Socket = packagedValues["gwat.endpoint"], packagedValues["data-dir"], packagedValues["api.socket"]
	for _, commented := range []bool{true, false} { // a line that is taken in says what it said as a comment
		cfg, err := loaded(t, nil, "--config", writeFile(t, "syncd.yaml", packagedFile(commented)))
		require.NoError(t, err)
		cfg.sources, defaults.sources = nil, nil
		require.Equal(t, defaults, cfg)
	}
}

// packagedFile has every setting with what it means; those that nobody needs to
// set are comments.
func packagedFile(commented bool) string {
	var out strings.Builder
	out.WriteString(`# The configuration of syncd. What is a comment is the default. A flag or an
# environment variable (SYNCD_...) wins over this file. Test a change with
#   sudo syncd check --config /etc/syncd/syncd.yaml
`)
	section := ""
	for _, s := range settings {
		name, indent := s.key, ""
		if in, rest, nested := strings.Cut(s.key, "."); nested {
			name, indent = rest, "  "
			if in != section {
				section = in
				fmt.Fprintf(&out, "\n%s:\n", in)
			}
		} else {
			section = ""
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "%s# %s\n", indent, plain(s.usage))
		value, set := packagedValues[s.key]
		if !set {
			value = yamlValue(s)
			if commented {
				indent += "# "
			}
		}
		fmt.Fprintf(&out, "%s%s: %s\n", indent, name, value)
	}
	return out.String()
}

// Public report 1: the unit on 677a403 took SIGPIPE, SIGHUP and a stray SIGTERM for
// wanted ends (on-failure) and left the pair without a driver.
func TestTheUnitIsStartedAgainAfterAnyEnd(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/syncd.service")
	require.NoError(t, err)
	var about []string
	for line := range strings.Lines(string(unit)) {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "Restart") || name == "SuccessExitStatus" || name == "StartLimitIntervalSec" {
			about = append(about, strings.TrimSpace(line))
		}
	}
	require.Equal(t, []string{"StartLimitIntervalSec=0", "Restart=always", "RestartSec=5s", "RestartPreventExitStatus=2"}, about)
}
