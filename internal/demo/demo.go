package demo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/fsm"
	"github.com/gwatsync/syncd/internal/daemon"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/logs"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/arrivals"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/status"
	"github.com/gwatsync/syncd/ui/terminal"
)

// The simulated pair: short slots, and speeds with which each of the two syncs
// takes a few seconds. It starts early in an epoch, so that the checkpoint
// seldom moves on the way.
const (
	secondsPerSlot = 1
	slotsPerEpoch  = 16
	age            = 20*slotsPerEpoch + 2 // slots since genesis at the start
	gwatSpeed      = 120                  // finalized blocks a second
	dagSpeed       = 8                    // slots a second
	beaconSpeed    = 75                   // slots a second
	rollbackCost   = 5 * time.Millisecond
	entryCost      = 40 * time.Millisecond // slow enough to see a push
)

// Defaults are those of the settings in which the demo differs: what it prints by
// itself needs no log beside it.
var Defaults = map[string]any{"log.level": "warn"}

// Demo is one run.
type Demo struct {
	Settings *settings.Config // of the API and the log
	Version  string
	View     terminal.View // shows the stages
	Until    fsm.Stage     // end here; "" for never
	Timeout  time.Duration // of Until
	Seed     uint64        // of the simulated network; the coordinated era has one network
	Era      checkpoint.Era
	AnyPort  bool // a busy address is no error: take a free port
}

// DefaultTimeout is that of syncd demo. It counts only with a stage to reach.
const DefaultTimeout = 2 * time.Minute

// Check refuses a stage and a timeout that cannot be. Its error names the flags of
// syncd demo.
func (d *Demo) Check() error {
	if stages := fsm.Stages(); d.Until != "" && !slices.Contains(stages, d.Until) {
		names := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(stages)), ", "), "[]")
		return exit.Errorf(exit.Usage, "--until is %q: want one of %s", d.Until, names)
	}
	if eras := []checkpoint.Era{checkpoint.EraHeadSync, checkpoint.EraCoordinated}; d.Era != "" && !slices.Contains(eras, d.Era) {
		return exit.Errorf(exit.Usage, "--era is %q: want %s or %s", d.Era, eras[0], eras[1])
	}
	if d.Timeout <= 0 {
		return exit.Errorf(exit.Usage, "--timeout is %s: want a duration above zero, such as 2m", d.Timeout)
	}
	return nil
}

// Show checks the demo and runs it in the view that open returns.
func (d *Demo) Show(ctx context.Context, open func() terminal.View) error {
	if err := d.Check(); err != nil {
		return err
	}
	d.View = open()
	defer d.View.Close()
	return d.Run(ctx)
}

// Run runs the demo until its stage is reached or ctx or the view ends. Its error has
// an exit code.
func (d *Demo) Run(ctx context.Context) (err error) {
	log, err := logs.New(d.View.Writer(), d.Settings.Log.Level, d.Settings.Log.Format)
	if err != nil {
		return err
	}
	logs.TakeErrorsOfGoEthereum(log)
	if d.Era == checkpoint.EraCoordinated {
		return d.runCoordinated(ctx, log)
	}
	var served *daemon.Daemon
	options := d.options(time.Now())
	options.Between = func(p *simnet.Pair) (string, error) {
		d.Settings.SetEndpoints(p.GwatWS, p.BeaconURL)
		d.Settings.Gate.Listen = "127.0.0.1:0"
		var err error
		if served, err = d.serve(log); err != nil {
			return "", err
		}
		return served.GateURL(), nil
	}
	nodes, err := simnet.Start(ctx, options)
	if err != nil {
		return fmt.Errorf("start the simulated pair: %w", err)
	}
	defer func() {
		if closeErr := nodes.Close(); closeErr != nil && err == nil {
			err = fmt.Errorf("stop the simulated pair: %w", closeErr)
		}
	}()
	d.announce(served)
	return d.follow(ctx, served)
}

// announce prints where the page and the API are.
func (d *Demo) announce(served *daemon.Daemon) {
	fmt.Fprintf(d.View.Writer(), "syncd: the page is at %s/\n", served.URL())
	fmt.Fprintf(d.View.Writer(), "syncd: the API is at %s (syncd status --api %s)\n", served.URL(), served.URL())
}

// serve builds the daemon, which listens from here on.
func (d *Demo) serve(log *logrus.Logger) (*daemon.Daemon, error) {
	kept := daemon.Kept{Journal: journal.OpenMemory()}
	served, err := daemon.New(d.Settings, d.Version, kept, log)
	if exit.Of(err) == exit.Busy && d.AnyPort {
		fmt.Fprintf(d.View.Writer(), "syncd: %s is in use, so the API takes a free port\n", d.Settings.API.Listen)
		d.Settings.API.Listen = "127.0.0.1:0"
		served, err = daemon.New(d.Settings, d.Version, kept, log)
	}
	return served, err
}

func (d *Demo) options(now time.Time) simnet.Options {
	return simnet.Options{
		World: world.Config{
			Seed: d.Seed, GenesisTime: uint64(now.Unix()) - age*secondsPerSlot,
			SecondsPerSlot: secondsPerSlot, SlotsPerEpoch: slotsPerEpoch,
			MissRate: 0.05, ForkRate: 0.02,
		},
		Gwat: gwatsim.Config{
			SyncSpeed: gwatSpeed, DAGSpeed: dagSpeed,
			RollbackCost: rollbackCost, EntryCost: entryCost,
		},
		Beacon: beaconsim.Config{SyncSpeed: beaconSpeed},
	}
}

// viewInterval is how often the progress is shown.
const viewInterval = 250 * time.Millisecond

// follow runs the daemon and shows its stages until one of the ends is reached.
func (d *Demo) follow(ctx context.Context, served *daemon.Daemon) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, unsubscribe := served.Pair.Subscribe()
	defer unsubscribe()
	var group errgroup.Group
	group.Go(func() error {
		defer cancel() // a daemon that fails ends the demo
		return served.Run(ctx)
	})
	err := d.watch(ctx, served, changes)
	cancel()
	if runErr := group.Wait(); runErr != nil {
		return runErr
	}
	return err
}

func (d *Demo) watch(ctx context.Context, served *daemon.Daemon, changes <-chan status.Change) error {
	tick := time.NewTicker(viewInterval)
	defer tick.Stop()
	var late <-chan time.Time
	if d.Until != "" {
		timer := time.NewTimer(d.Timeout)
		defer timer.Stop()
		late = timer.C
	}
	first := served.Pair.Snapshot()
	// show returns whether the changes end the demo. All that came before the snapshot are shown with it.
	show := func(shown ...status.Change) bool {
		s := served.Pair.Snapshot()
		shown = slices.AppendSeq(shown, arrivals.Waiting(changes))
		d.View.Show(terminal.Update{Snapshot: s, Changes: shown, How: "simulated"})
		return slices.ContainsFunc(shown, func(c status.Change) bool { return fsm.Stage(c.To) == d.Until })
	}
	if show(status.Change{At: first.Since, To: first.Stage, Reason: first.Reason}) {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return d.unreached(served, "the demo was stopped")
		case c, ok := <-changes:
			if !ok {
				return d.unreached(served, "the demo was stopped")
			}
			if show(c) {
				return nil
			}
		case <-tick.C:
			if show() {
				return nil
			}
		case <-d.View.Done():
			return d.unreached(served, "the demo was stopped")
		case <-late:
			return d.unreached(served, "--timeout "+settings.Duration(d.Timeout)+" is over")
		}
	}
}

// unreached is the end of a demo before the stage of --until; without one any
// end is a good one.
func (d *Demo) unreached(served *daemon.Daemon, why string) error {
	if d.Until == "" {
		return nil
	}
	snap := served.Pair.Snapshot()
	return exit.Errorf(exit.Timeout, "--until %s was not reached, %s: the pair is in %s (%s)", d.Until, why, snap.Stage, cmp.Or(snap.Waiting, "-"))
}
