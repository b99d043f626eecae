package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/ui/terminal"
)

// maxHistory is what syncd_history returns at most.
const maxHistory = 10_000

// History prints the newest stage changes of a running syncd, at most limit, the oldest
// first. Its error has an exit code.
func History(ctx context.Context, client *apiclient.Client, out io.Writer, limit int, form string) error {
	if limit < 1 || limit > maxHistory {
		return exit.Errorf(exit.Usage, "--limit is %d: want 1 to %d", limit, maxHistory)
	}
	if err := tableOrJSON(form); err != nil {
		return err
	}
	changes, err := client.History(ctx, limit)
	if err != nil {
		return apiError(err)
	}
	slices.Reverse(changes)
	for _, c := range changes {
		line := ""
		if form == FormJSON {
			raw, err := json.Marshal(c)
			if err != nil {
				return err
			}
			line = string(raw)
		} else {
			c = terminal.CleanChange(c)
			line = fmt.Sprintf("%s  %-15s  %-15s  %s", c.At.Local().Format(time.DateTime), c.From, c.To, c.Reason)
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}
