package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/internal/counted"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/watch/heal"
)

// Heals returns the names of the heals.
func Heals() []string { return heal.Names() }

// HealName returns the name of a heal; "" without an argument. Its error has an exit code.
func HealName(args []string) (string, error) {
	switch names := Heals(); {
	case len(args) == 0:
		return "", nil
	case len(args) > 1:
		return "", exit.Errorf(exit.Usage, "heal takes one heal, got %d: write syncd heal peers --dry-run", len(args))
	case !slices.Contains(names, args[0]):
		return "", exit.Errorf(exit.Usage, "no heal is called %.100q%s; want one of %s", endpoint.MaskWord(args[0]), settings.DidYouMean(args[0], names), strings.Join(names, ", "))
	}
	return args[0], nil
}

// Heal shows a heal and, unless it is a dry run, begins it. Without a name it shows the
// proofs of all. Its error has an exit code.
func Heal(ctx context.Context, where Where, out io.Writer, order status.HealOrder) error {
	find := where.Orders
	if order.DryRun || order.Name == "" {
		find = where.Client
	}
	client, err := find()
	if err != nil {
		return err
	}
	defer client.Close()
	if order.Name == "" {
		return proofs(ctx, client, out)
	}
	h, err := client.Heal(ctx, order)
	if err != nil {
		return refused(err)
	}
	return writeHeal(out, h)
}

// proofs writes a line for each heal: whether it is called for, and why.
func proofs(ctx context.Context, client *apiclient.Client, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, name := range Heals() {
		h, err := client.Heal(ctx, status.HealOrder{Name: name, DryRun: true})
		if err != nil {
			return refused(err)
		}
		word := map[bool]string{true: "proved", false: "-"}[h.Proved]
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, word, failure.Text(h.Why))
	}
	return w.Flush()
}

func writeHeal(out io.Writer, h *status.Heal) error {
	yes := map[bool]string{true: "yes", false: "no"}
	lines := []string{
		"proved  " + yes[h.Proved] + ": " + failure.Text(h.Why),
		"on      " + yes[h.On] + ", tried " + counted.Of(h.Tries, "time") + " since the pair worked",
	}
	if h.Refused != "" {
		lines = append(lines, "refused "+failure.Text(h.Refused))
	}
	for _, c := range h.Calls {
		params, err := json.Marshal(c.Params)
		if err != nil {
			return exit.With(exit.Internal, err)
		}
		lines = append(lines, "call    "+endpoint.MaskWord(c.Method)+" "+string(params))
	}
	if h.Begun {
		lines = append(lines, "begun   how it ends is in the log, and in the history with the event heal")
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}
