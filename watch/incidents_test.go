package watch

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gwatsync/syncd/internal/testworld/section"
)

var update = flag.Bool("update", false, "write the generated documents again")

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
	section.Require(t, path, begin, end, table.String(), *update)
}
