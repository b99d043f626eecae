// Command simnet runs one simulated node: "simnet gwat", "simnet beacon". Two
// processes started with the same network flags live on the same network.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the node failed, or is not healthy
	exitUsage  = 2 // a flag or its value is wrong
)

// errUsage tells an error of the command line.
var errUsage = errors.New("wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := command(stdout).Run(ctx, args)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, "simnet:", err)
		return exitUsage
	default:
		fmt.Fprintln(stderr, "simnet:", err)
		return exitFailed
	}
}

func command(stdout io.Writer) *cli.Command {
	usage := func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usageError(err) }
	root := &cli.Command{
		Name:      "simnet",
		Usage:     "run a simulated gwat or beacon node",
		Writer:    stdout,
		ErrWriter: io.Discard, // run prints errors, once
		Commands: []*cli.Command{
			{Name: "gwat", Usage: "run a simulated gwat", Flags: append(worldFlags(), gwatFlags()...), Action: ofEra(runGwat, runCoordinatedGwat)},
			{Name: "beacon", Usage: "run a simulated beacon node", Flags: append(worldFlags(), beaconFlags()...), Action: ofEra(runBeacon, runCoordinatedBeacon)},
			{Name: "healthcheck", Usage: "exit 0 if a node answers", Flags: healthFlags(), Action: runHealthcheck},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() > 0 {
				return usageError(fmt.Errorf("there is no command %q; use gwat, beacon or healthcheck", c.Args().First()))
			}
			return cli.ShowRootCommandHelp(c)
		},
		OnUsageError:   usage,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	for _, sub := range root.Commands {
		sub.OnUsageError = usage
		sub.Before = func(ctx context.Context, c *cli.Command) (context.Context, error) {
			if c.Args().Len() > 0 {
				return ctx, usageError(fmt.Errorf("%q is no flag of %s", c.Args().First(), c.Name))
			}
			return ctx, nil
		}
	}
	return root
}

func usageError(err error) error { return fmt.Errorf("%w: %w", errUsage, err) }
