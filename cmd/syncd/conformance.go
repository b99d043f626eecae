package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/support/conformance"
	"github.com/gwatsync/syncd/ui/terminal"
)

// The values of the flags of conformance that have few.
const (
	generationAuto = "auto"
	onlyBoth       = "both"
)

func conformanceCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "conformance",
		Usage: "ask both nodes what syncd is built on and name every answer of another form; changes nothing on a node",
		Description: `Each line is one call of the API tables: ok, DIFF with what was wanted and what
came, or skip with the reason. Only calls that change nothing are made.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "generation", Value: generationAuto, Usage: "auto (gwat is asked), head-sync or coordinated"},
			&cli.StringFlag{Name: "only", Value: onlyBoth, Usage: "gwat, beacon or both"},
		}, flagsOf(nil, "gwat.endpoint", "gwat.jwt-secret", "beacon.endpoint", "call-timeout")...),
		Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := load(cmd, con, nil)
			if err != nil {
				return err
			}
			if err := cfg.Check(); err != nil {
				return err
			}
			generation, only := cmd.String("generation"), cmd.String("only")
			switch conformance.Generation(generation) {
			case generationAuto, conformance.HeadSync, conformance.Coordinated:
			default:
				return fail(exitUsage, "--generation is %q: want auto, head-sync or coordinated", generation)
			}
			if only != "gwat" && only != "beacon" && only != onlyBoth {
				return fail(exitUsage, "--only is %q: want gwat, beacon or both", only)
			}
			if only == "beacon" && generation == generationAuto {
				return fail(exitUsage, "--generation is auto, which only gwat can tell: with --only beacon give head-sync or coordinated")
			}
			return conform(ctx, cfg, con, generation, only)
		}),
	}
}

func conform(ctx context.Context, cfg *Config, con console, generation, only string) error {
	var nodes conformance.Nodes
	var err error
	if only != "beacon" {
		nodes.Gwat, err = gwatclient.New(gwatclient.Config{Endpoint: cfg.Gwat.Endpoint, JWTSecret: cfg.jwt, Timeout: cfg.CallTimeout})
		if err != nil {
			return err
		}
		defer nodes.Gwat.Close()
	}
	if only != "gwat" {
		if nodes.Beacon, err = beaconclient.New(beaconclient.Config{URL: cfg.Beacon.Endpoint, Timeout: cfg.CallTimeout}); err != nil {
			return err
		}
		defer nodes.Beacon.Close()
	}
	kind := conformance.Generation(generation)
	if generation == generationAuto {
		if kind, err = conformance.Detect(ctx, nodes.Gwat); err != nil {
			return conformanceError(err)
		}
		fmt.Fprintf(con.stdout, "gwat is of the %s generation\n", kind)
	}
	asked, different := 0, 0
	err = conformance.Run(ctx, nodes, kind, func(r conformance.Result) {
		switch {
		case r.Skip != "":
			fmt.Fprintf(con.stdout, "skip  %-6s  %s: %s\n", r.Node, r.Call, r.Skip)
			return
		case r.Different():
			different++
			fmt.Fprintf(con.stdout, "DIFF  %-6s  %s: want %s, got %s\n", r.Node, r.Call, r.Want, terminal.Clean(r.Got))
		default:
			fmt.Fprintf(con.stdout, "ok    %-6s  %s\n", r.Node, r.Call)
		}
		asked++
	})
	if err != nil {
		return conformanceError(err)
	}
	fmt.Fprintf(con.stdout, "%d of %d answers differ\n", different, asked)
	if different > 0 {
		return told(exitDifferent)
	}
	return nil
}

func conformanceError(err error) error {
	if errors.Is(err, gwatclient.ErrUnauthorized) {
		return fail(exitUsage, "%w; correct --gwat.jwt-secret or --gwat.endpoint", err)
	}
	return fail(exitUnreachable, "%w; start it or correct --gwat.endpoint or --beacon.endpoint", err)
}
