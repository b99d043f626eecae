package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/ui/terminal"
)

// The values of Print that are no era and no node.
const (
	Auto = "auto"
	Both = "both"
)

// Print runs the rows of an era (auto: of the one that gwat is of) at gwat, the
// beacon node or both, and writes a line for each. Its error has an exit code; one
// without text says that an answer differs.
func Print(ctx context.Context, cfg *settings.Config, out io.Writer, era, only string) error {
	switch checkpoint.Era(era) {
	case Auto, checkpoint.EraHeadSync, checkpoint.EraCoordinated:
	default:
		return exit.Errorf(exit.Usage, "--era is %q: want auto, head-sync or coordinated", era)
	}
	if only != "gwat" && only != "beacon" && only != Both {
		return exit.Errorf(exit.Usage, "--only is %q: want gwat, beacon or both", only)
	}
	if only == "beacon" && era == Auto {
		return exit.Errorf(exit.Usage, "--era is auto, which only gwat shows: with --only beacon, set --era to head-sync or coordinated")
	}
	secret, err := cfg.GwatSecret()
	if err != nil {
		return exit.With(exit.Usage, err)
	}
	var nodes Nodes
	if only != "beacon" {
		nodes.Gwat, err = gwatclient.New(gwatclient.Config{Endpoint: cfg.Gwat.Endpoint, JWTSecret: secret, Timeout: cfg.CallTimeout})
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
	lines := printer{out: out}
	kind := checkpoint.Era(era)
	if era == Auto {
		if kind, err = Detect(ctx, nodes.Gwat); err != nil {
			return nodeError(err)
		}
		lines.print("gwat is of the %s era\n", kind)
	}
	if err := Run(ctx, nodes, kind, lines.result); err != nil {
		return nodeError(err)
	}
	lines.print("%d of %d answers differ\n", lines.different, lines.asked)
	if lines.err == nil && lines.different > 0 {
		return exit.Reported(exit.Different)
	}
	return lines.err
}

// printer writes lines, counts the answers among them and keeps the first error.
type printer struct {
	out              io.Writer
	asked, different int
	err              error
}

func (p *printer) print(format string, args ...any) {
	if _, err := fmt.Fprintf(p.out, format, args...); p.err == nil {
		p.err = err
	}
}

func (p *printer) result(r Result) {
	switch {
	case r.Skip != "":
		p.print("skip  %-6s  %s: %s\n", r.Node, r.Call, r.Skip)
		return
	case r.Different():
		p.different++
		p.print("DIFF  %-6s  %s: want %s, got %s\n", r.Node, r.Call, r.Want, terminal.Clean(r.Got))
	default:
		p.print("ok    %-6s  %s\n", r.Node, r.Call)
	}
	p.asked++
}

func nodeError(err error) error {
	if errors.Is(err, gwatclient.ErrUnauthorized) {
		return exit.Errorf(exit.Usage, "%w; correct --gwat.jwt-secret or --gwat.endpoint", err)
	}
	return exit.Errorf(exit.Unreachable, "%w; start it or correct --gwat.endpoint or --beacon.endpoint", err)
}
