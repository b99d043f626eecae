package watch

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated documents anew")

// The table of incidents in docs/operating.md has the times that TestSimulatedIncidents
// and TestHeals hold; -update writes it.
func TestIncidentsDocument(t *testing.T) {
	const path, begin, end = "../docs/operating.md", "<!-- incidents -->\n", "<!-- /incidents -->"
	var table strings.Builder
	table.WriteString("| incident | finding | reported within | by itself | heal | works within |\n|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(incidents)) {
		heals, works, itself := "-", "-", "when the cause is gone"
		for incident, l := range lasting {
			if incident[:3] == name[:3] {
				heals, works, itself = fmt.Sprintf("`heal.%s`", l.name), l.within.String(), "never"
			}
		}
		fmt.Fprintf(&table, "| %s | [`%s`](#%s) | %s | %s | %s | %s |\n", name, incidents[name].finding, incidents[name].finding, incidents[name].within, itself, heals, works)
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(raw), begin)
	require.True(t, ok)
	old, tail, ok := strings.Cut(rest, end)
	require.True(t, ok)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(head+begin+table.String()+end+tail), 0o644))
		return
	}
	require.Equal(t, table.String(), old, "%s is old: go test ./watch -run TestIncidentsDocument -update", path)
}
