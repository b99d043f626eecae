package operator

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/support/doctor"
)

// catalog is that of both eras; of a finding that both have, the entry of the head-sync era.
func catalog() []health.Entry {
	entries := health.Catalog()
	for _, e := range health.CoordinatedCatalog() {
		if !slices.ContainsFunc(entries, func(known health.Entry) bool { return known.Name == e.Name }) {
			entries = append(entries, e)
		}
	}
	return entries
}

// Findings returns the names of all findings, in the order of the documents.
func Findings() []string {
	var names []string
	for _, e := range catalog() {
		names = append(names, e.Name)
	}
	return names
}

// Explain writes what a finding means, whether it is urgent, whether data is at risk and
// what to do; without a name it lists them all. Its error has an exit code.
func Explain(out io.Writer, names ...string) error {
	if len(names) > 1 {
		return exit.Errorf(exit.Usage, "explain takes one finding, got %d: write syncd explain gwat_unreachable", len(names))
	}
	name := strings.Join(names, "")
	if name == "" {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "FINDING\tSEVERITY\tOF\tURGENT\tDATA AT RISK")
		for _, e := range catalog() {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Name, e.Severity, e.Node, yesNo(e.Urgent), yesNo(e.Risk != ""))
		}
		return w.Flush()
	}
	for _, e := range catalog() {
		if e.Name == name {
			_, err := io.WriteString(out, explanation(e, doctor.Width(out)))
			return err
		}
	}
	return exit.Errorf(exit.Usage, "no finding is called %.100q%s; `syncd explain` lists them", endpoint.MaskWord(name), settings.DidYouMean(name, Findings()))
}

func explanation(e health.Entry, width int) string {
	var causes []string
	for _, x := range slices.Concat(health.Explanations(health.Catalog()), health.Explanations(health.CoordinatedCatalog())) {
		if x.Finding == e.Name && !slices.Contains(causes, x.By) {
			causes = append(causes, x.By)
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s (%s, %s)\n", e.Name, e.Severity, e.Node)
	for _, part := range []struct{ title, text string }{
		{"Means", e.Meaning}, {"Urgent", yesNo(e.Urgent) + "; " + e.Why}, {"Data at risk", cmp.Or(e.Risk, "no")},
		{"Reported after", e.Window}, {"Gone after", e.Clears}, {"Look first at", strings.Join(causes, ", ")}, {"Do", e.Remedy},
	} {
		if part.text != "" {
			fmt.Fprintf(&text, "   %s\n", doctor.Wrap(part.title+": "+part.text, 3, width))
		}
	}
	for _, command := range e.Commands {
		fmt.Fprintf(&text, "      %s\n", command)
	}
	return text.String()
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
