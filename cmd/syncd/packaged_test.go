package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/settings"
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

	defaults, err := settings.Load(settings.Input{})
	require.NoError(t, err)
	for _, commented := range []bool{true, false} { // an uncommented line sets what it said as a comment
		cfg, err := settings.Load(settings.Input{File: writeFile(t, "syncd.yaml", packagedFile(commented))})
		require.NoError(t, err)
		require.NoError(t, cfg.Check())
		got := cfg.Shown()
		for i, want := range defaults.Shown() {
			want.Source = got[i].Source
			if value, ok := packagedValues[want.Key]; ok {
				want.Value = value
			}
			require.Equal(t, want, got[i])
		}
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
	for _, s := range settings.All {
		name, indent := s.Key, ""
		if in, rest, nested := strings.Cut(s.Key, "."); nested {
			name, indent = rest, "  "
			if in != section {
				section = in
				fmt.Fprintf(&out, "\n%s:\n", in)
			}
		} else {
			section = ""
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "%s# %s\n", indent, plain(s.Usage))
		value, set := packagedValues[s.Key]
		if !set {
			value = s.YAML()
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
