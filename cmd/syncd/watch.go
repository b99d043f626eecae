package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// shownHistory is how many stage changes of the past a view begins with.
const shownHistory = 5

func (con console) view(replay bool) terminal.View {
	return terminal.Open(terminal.Options{
		Out: con.stdout, Log: con.stderr, In: con.keyboard, Environ: con.environ(), Terminal: con.terminal, Replay: replay,
	})
}

// watch shows the pair of a running syncd until the reader has enough. The view
// tells what is wrong, and going on is what it is for: there is no bad end.
func watch(ctx context.Context, con console, client *apiclient.Client) error {
	view := con.view(false)
	defer view.Close()
	follow(untilDone(ctx, view), client, view)
	return nil
}

// untilDone ends with ctx or with the view.
func untilDone(ctx context.Context, view terminal.View) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	done := view.Done()
	go func() {
		defer cancel()
		select {
		case <-done:
		case <-ctx.Done():
		}
	}()
	return ctx
}

// follow feeds a view from the API until ctx ends.
func follow(ctx context.Context, client *apiclient.Client, view terminal.View) {
	past, err := client.History(ctx, shownHistory)
	if err == nil { // else the first news tell what is wrong
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

// printNews writes each new snapshot in a form for scripts.
func printNews(ctx context.Context, con console, client *apiclient.Client, form string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	said := ""
	client.Follow(ctx, func(n apiclient.News) {
		switch {
		case n.Err != nil:
			if text := n.Err.Error(); text != said {
				said = text
				fmt.Fprintln(con.stderr, "syncd: "+terminal.Clean(text))
			}
		case n.Snapshot != nil:
			said = ""
			if err := printStatus(con, n.Snapshot, form); err != nil {
				cancel(err)
			}
		}
	})
	if err := context.Cause(ctx); err != nil && ctx.Err() != err {
		return err
	}
	return nil
}
