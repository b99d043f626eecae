package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// The simulated pair: short slots, and speeds with which each of the two syncs
// takes a few seconds. It starts early in an epoch, so that the checkpoint
// seldom moves on the way.
const (
	demoSecondsPerSlot = 1
	demoSlotsPerEpoch  = 16
	demoAge            = 20*demoSlotsPerEpoch + 2 // slots since genesis at the start
	demoGwatSpeed      = 120                      // finalized blocks a second
	demoDAGSpeed       = 8                        // slots a second
	demoBeaconSpeed    = 75                       // slots a second
	demoRollbackCost   = 5 * time.Millisecond
	demoEntryCost      = 40 * time.Millisecond // slow enough to see a push
)

// demoTimeout is the default of --timeout, which counts only with --until.
const demoTimeout = 2 * time.Minute

// demoDefaults: what the demo tells by itself needs no log beside it.
var demoDefaults = map[string]any{"log.level": "warn"}

func demoCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "run a simulated pair and syncd in one process",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "until", Usage: "end with 0 as soon as this `STAGE` is reached; without it the demo stays up", HideDefault: true},
			&cli.DurationFlag{Name: "timeout", Value: demoTimeout, Usage: "how long to wait for the stage of --until"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "what the simulated network is made from"},
			outputFlag(),
		}, flagsOf(demoDefaults, "api.listen", "api.allowed-hosts", "api.allowed-origins",
			"api.jwt-secret", "api.socket", "api.tls-cert", "api.tls-key", "api.insecure", "log.level", "log.format")...),
		Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := load(cmd, con, demoDefaults)
			if err != nil {
				return err
			}
			if err := cfg.checkServing(); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			asJSON, err := wantsJSON(cmd)
			if err != nil {
				return err
			}
			until := fsm.Stage(cmd.String("until"))
			if stages := fsm.Stages(); until != "" && !slices.Contains(stages, until) {
				return fail(exitUsage, "--until is %q: want one of %s", until, stageNames(stages))
			}
			if cmd.Duration("timeout") <= 0 {
				return fail(exitUsage, "--timeout is %s: want a duration above zero, such as 2m", cmd.Duration("timeout"))
			}
			d := &demo{
				cfg: cfg, con: con, json: asJSON, until: until, timeout: cmd.Duration("timeout"), seed: cmd.Uint64("seed"),
				anyPort: !cmd.IsSet("api.listen") && cfg.API.Listen == defaultListen(),
			}
			return d.run(ctx)
		}),
	}
}

func stageNames(stages []fsm.Stage) string {
	var names []string
	for _, s := range stages {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func defaultListen() string {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.key == "api.listen" })
	return settings[i].defaultText()
}

// demo is one run of the command.
type demo struct {
	cfg     *Config
	con     console
	json    bool
	until   fsm.Stage
	timeout time.Duration
	seed    uint64
	anyPort bool // nobody asked for an address: a busy one is no error

	beacon *beaconsim.Node
}

func (d *demo) run(ctx context.Context) (err error) {
	nodes, err := simnet.Start(ctx, d.options(time.Now()))
	if err != nil {
		return fmt.Errorf("start the simulated pair: %w", err)
	}
	defer func() {
		if closeErr := nodes.Close(); closeErr != nil && err == nil {
			err = fmt.Errorf("stop the simulated pair: %w", closeErr)
		}
	}()
	d.beacon = nodes.Beacon
	d.cfg.Gwat.Endpoint, d.cfg.Beacon.Endpoint = nodes.GwatWS, nodes.BeaconURL
	delete(d.cfg.sources, "gwat.endpoint")
	delete(d.cfg.sources, "beacon.endpoint")

	view := d.newView()
	defer view.Close()
	quiet := d.con
	quiet.stderr = view.Writer()
	log, err := d.cfg.newLog(quiet)
	if err != nil {
		return err
	}
	memory := journal.OpenMemory()
	daemon, err := newDaemon(d.cfg, memory, log)
	if codeOf(err) == exitBusy && d.anyPort {
		fmt.Fprintf(view.Writer(), "syncd: %s is in use, so the API takes a free port\n", d.cfg.API.Listen)
		d.cfg.API.Listen = "127.0.0.1:0"
		daemon, err = newDaemon(d.cfg, memory, log)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(view.Writer(), "syncd: the page is at %s/\n", daemon.url())
	fmt.Fprintf(view.Writer(), "syncd: the API is at %s (syncd status --api %s)\n", daemon.url(), daemon.url())
	return d.follow(ctx, daemon, view)
}

func (d *demo) options(now time.Time) simnet.Options {
	return simnet.Options{
		World: world.Config{
			Seed: d.seed, GenesisTime: uint64(now.Unix()) - demoAge*demoSecondsPerSlot,
			SecondsPerSlot: demoSecondsPerSlot, SlotsPerEpoch: demoSlotsPerEpoch,
			MissRate: 0.05, ForkRate: 0.02,
		},
		Gwat: gwatsim.Config{
			SyncSpeed: demoGwatSpeed, DAGSpeed: demoDAGSpeed,
			RollbackCost: demoRollbackCost, EntryCost: demoEntryCost,
		},
		// Its normal calls begin with the switch: a beacon node that calls while
		// gwat still waits may finalize what the demo is to show the push of.
		Beacon: beaconsim.Config{SyncSpeed: demoBeaconSpeed, IdleWork: true},
	}
}

// viewInterval is how often the progress is looked at.
const viewInterval = 250 * time.Millisecond

// follow runs the daemon and shows its stages until one of the ends is reached.
func (d *demo) follow(ctx context.Context, daemon *daemon, view terminal.View) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, unsubscribe := daemon.pair.Subscribe()
	defer unsubscribe()
	var group errgroup.Group
	group.Go(func() error {
		defer cancel() // a daemon that fails ends the demo
		return daemon.run(ctx)
	})
	err := d.watch(ctx, daemon, view, changes)
	cancel()
	if runErr := group.Wait(); runErr != nil {
		return runErr
	}
	return err
}

func (d *demo) watch(ctx context.Context, daemon *daemon, view terminal.View, changes <-chan status.Change) error {
	tick := time.NewTicker(viewInterval)
	defer tick.Stop()
	var late <-chan time.Time
	if d.until != "" {
		timer := time.NewTimer(d.timeout)
		defer timer.Stop()
		late = timer.C
	}
	first := daemon.pair.Snapshot()
	show := func(changes ...status.Change) {
		view.Show(terminal.Update{Snapshot: daemon.pair.Snapshot(), Changes: changes, How: "simulated"})
	}
	show(status.Change{At: first.Since, To: first.Stage, Reason: first.Reason})
	if d.until == fsm.Stage(first.Stage) {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return d.unreached(daemon, "the demo was stopped")
		case c, ok := <-changes:
			if !ok {
				return d.unreached(daemon, "the demo was stopped")
			}
			if fsm.Stage(c.To) == fsm.Switching {
				d.beacon.SetIdle(false)
			}
			show(c)
			if fsm.Stage(c.To) == d.until {
				return nil
			}
		case <-tick.C:
			show()
		case <-view.Done():
			return d.unreached(daemon, "the demo was stopped")
		case <-late:
			return d.unreached(daemon, "--timeout "+shortDuration(d.timeout)+" is over")
		}
	}
}

// unreached is the end of a demo before the stage of --until; without one any
// end is a good one.
func (d *demo) unreached(daemon *daemon, why string) error {
	if d.until == "" {
		return nil
	}
	snap := daemon.pair.Snapshot()
	return fail(exitTimeout, "--until %s was not reached, %s: the pair is in %s (%s)", d.until, why, snap.Stage, orDash(snap.Waiting))
}
