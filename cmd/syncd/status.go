package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/status"
)

const (
	// statusTimeout bounds one ask; the answer is in syncd's memory.
	statusTimeout = 5 * time.Second
	watchInterval = time.Second
)

func statusCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "ask a running syncd how far its pair is; the exit code tells it, too",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "api", Value: "http://127.0.0.1:8650", Usage: "`URL` of the running syncd"},
			&cli.BoolFlag{Name: "watch", Usage: "ask every second until interrupted"},
			outputFlag(),
		},
		Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
			asJSON, err := wantsJSON(cmd)
			if err != nil {
				return err
			}
			api := cmd.String("api")
			if u, err := url.Parse(api); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				return fail(exitUsage, "--api is %q: want a URL such as http://127.0.0.1:8650", api)
			}
			client, err := rpc.DialContext(ctx, api)
			if err != nil {
				return fail(exitUsage, "--api: %w", err)
			}
			defer client.Close()
			show := func(ctx context.Context) (*status.Snapshot, error) {
				snap, err := askStatus(ctx, client, api)
				if err != nil {
					return nil, err
				}
				return snap, printStatus(con, snap, asJSON)
			}
			if cmd.Bool("watch") {
				return watchStatus(ctx, con, asJSON, show)
			}
			snap, err := show(ctx)
			if err != nil {
				return err
			}
			return told(stageCode(snap.Stage))
		}),
	}
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Value: "text", Usage: "text or json"}
}

func wantsJSON(cmd *cli.Command) (bool, error) {
	switch out := cmd.String("output"); out {
	case "text":
		return false, nil
	case "json":
		return true, nil
	default:
		return false, fail(exitUsage, "--output is %q: want text or json", out)
	}
}

func askStatus(ctx context.Context, client *rpc.Client, api string) (*status.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var snap *status.Snapshot
	err := client.CallContext(ctx, &snap, "syncd_status")
	var answer rpc.HTTPError
	if errors.As(err, &answer) && answer.StatusCode != http.StatusForbidden { // a page of something else is no help; a refusal of syncd is
		return nil, fail(exitUnreachable, "ask syncd at %s: it answers %.100s; is something else listening there?", api, answer.Status)
	}
	if err != nil {
		return nil, fail(exitUnreachable, "ask syncd at %s: %w; is it running, and is --api its --api.listen?", api, err)
	}
	if snap == nil || snap.Stage == "" {
		return nil, fail(exitUnreachable, "ask syncd at %s: the answer is no status; is something else listening there?", api)
	}
	return snap, nil
}

// watchStatus goes on while syncd cannot be reached: it may just be restarting.
func watchStatus(ctx context.Context, con console, asJSON bool, show func(context.Context) (*status.Snapshot, error)) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		if con.terminal && !asJSON {
			fmt.Fprint(con.stdout, "\x1b[H\x1b[2J")
		}
		if _, err := show(ctx); err != nil && ctx.Err() == nil {
			report(con.stderr, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func printStatus(con console, snap *status.Snapshot, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(con.stdout).Encode(snap)
	}
	_, err := fmt.Fprint(con.stdout, statusTable(snap, time.Now()))
	return err
}
