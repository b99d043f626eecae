package operator

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/support/doctor"
)

// Findings returns the names of all findings, in the order of the documents.
func Findings() []string {
	var names []string
	for _, e := range health.Catalog() {
		names = append(names, e.Name)
	}
	return names
}

// Explain writes what a finding means, when it is reported and what to do; without a
// name it lists them all. Its error has an exit code.
func Explain(out io.Writer, names ...string) error {
	if len(names) > 1 {
		return exit.Errorf(exit.Usage, "explain takes one finding, got %d: write syncd explain gwat_unreachable", len(names))
	}
	name := strings.Join(names, "")
	if name == "" {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, e := range health.Catalog() {
			fmt.Fprintf(w, "%s\t%s\t%s\n", e.Name, e.Severity, e.Node)
		}
		return w.Flush()
	}
	for _, e := range health.Catalog() {
		if e.Name != name {
			continue
		}
		var text strings.Builder
		fmt.Fprintf(&text, "%s (%s, %s)\n", e.Name, e.Severity, e.Node)
		for _, part := range []struct{ title, text string }{
			{"Means", e.Meaning}, {"Reported after", e.Window}, {"Gone after", e.Clears}, {"Do", e.Remedy},
		} {
			fmt.Fprintf(&text, "   %s\n", doctor.Wrap(part.title+": "+part.text, 3))
		}
		_, err := io.WriteString(out, text.String())
		return err
	}
	return exit.Errorf(exit.Usage, "no finding is called %.100q%s; `syncd explain` lists them", endpoint.MaskWord(name), settings.DidYouMean(name, Findings()))
}
