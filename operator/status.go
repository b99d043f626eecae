package operator

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// The forms of a status.
const (
	FormLine  = "line"
	FormTable = "table"
	FormJSON  = "json"
)

// tableOrJSON refuses another form of --output.
func tableOrJSON(form string) error {
	if form != FormTable && form != FormJSON {
		return exit.Errorf(exit.Usage, "--output is %q: want table or json", form)
	}
	return nil
}

// Status prints the newest snapshot in a form. Its error has an exit code; one without
// text is the code of a verdict other than working.
func Status(ctx context.Context, client *apiclient.Client, out io.Writer, form string) error {
	snap, err := client.Status(ctx)
	if err != nil {
		return apiError(err)
	}
	if err := printStatus(out, snap, form); err != nil {
		return err
	}
	return exit.Reported(exit.OfVerdict(terminal.Verdict(snap)))
}

func printStatus(out io.Writer, snap *status.Snapshot, form string) error {
	var err error
	switch form {
	case FormJSON:
		var data []byte
		if data, err = terminal.JSON(snap); err == nil {
			_, err = out.Write(data)
		}
	case FormTable:
		_, err = fmt.Fprint(out, terminal.Table(snap, time.Now(), terminal.Width(out)))
	default:
		_, err = fmt.Fprintln(out, terminal.Line(snap))
	}
	return err
}
