package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/support/doctor"
	"github.com/gwatsync/syncd/support/preflight"
	"github.com/gwatsync/syncd/ui/terminal"
)

// Doctor writes the diagnosis of the running syncd. If none answers it looks itself, as
// preflight does, with the settings that load returns. Its error has an exit code.
func Doctor(ctx context.Context, client *apiclient.Client, out io.Writer, load func() (*settings.Config, error)) error {
	snap, err := client.Status(ctx)
	if err == nil {
		if _, err := fmt.Fprint(out, doctor.Diagnosis(snap, time.Now(), doctor.Width(out))); err != nil {
			return err
		}
		return exit.Reported(exit.OfVerdict(terminal.Verdict(snap)))
	}
	if errors.Is(err, apiclient.ErrNothing) || ctx.Err() != nil {
		return apiError(err)
	}
	fmt.Fprintf(out, "%s\n\nSo this is what is seen from here:\n\n", doctor.Wrap("No verdict of a running syncd: "+terminal.Clean(err.Error()), 0, doctor.Width(out)))
	cfg, err := load()
	if err != nil {
		return err
	}
	if err := cfg.Check(); err != nil {
		return exit.With(exit.Usage, err)
	}
	if err := preflight.Print(ctx, cfg, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", doctor.Wrap("All that can be seen from here is well, but nobody drives the pair: start `syncd run`, or give --api the address of the one that runs.", 0, doctor.Width(out)))
	return exit.Errorf(exit.Unreachable, "no syncd answers at %s; start it, or correct --api", client.Address())
}
