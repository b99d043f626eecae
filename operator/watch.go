package operator

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// shownHistory is how many stage changes of the past a view begins with.
const shownHistory = 5

// Watch shows the pair of a running syncd until the view or ctx ends. The view says
// what is wrong, and going on is what it is for: it does not fail.
func Watch(ctx context.Context, client *apiclient.Client, view terminal.View) {
	defer view.Close()
	ctx, cancel := UntilDone(ctx, view)
	defer cancel()
	past, err := client.History(ctx, shownHistory)
	if err == nil { // else the first news say what is wrong
		slices.Reverse(past)
		view.Show(terminal.Update{Changes: past})
	}
	client.Follow(ctx, func(n apiclient.News) {
		u := terminal.Update{Snapshot: n.Snapshot, How: "asked every second"}
		if n.Live {
			u.How = "live"
		}
		if n.Change != nil {
			u.Changes = []status.Change{*n.Change}
		}
		if n.Err != nil {
			u.Trouble, u.How = n.Err.Error(), ""
		}
		view.Show(u)
	})
}

// UntilDone returns a context that ends with ctx, with the view, or with cancel.
func UntilDone(ctx context.Context, view terminal.View) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	done := view.Done()
	go func() {
		defer cancel()
		select {
		case <-done:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Print writes each new snapshot in a form for scripts until ctx ends or out takes no
// more; troubles go to notes, once each.
func Print(ctx context.Context, client *apiclient.Client, out, notes io.Writer, form string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	said := ""
	client.Follow(ctx, func(n apiclient.News) {
		switch {
		case n.Err != nil:
			if text := n.Err.Error(); text != said {
				said = text
				fmt.Fprintln(notes, "syncd: "+terminal.Clean(text))
			}
		case n.Snapshot != nil:
			said = ""
			if err := printStatus(out, n.Snapshot, form); err != nil {
				cancel(err)
			}
		}
	})
	if err := context.Cause(ctx); err != nil && ctx.Err() != err {
		return err
	}
	return nil
}
