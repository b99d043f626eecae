package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/ui/terminal"
)

// Level says how a check ended.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Finding is what one check found. A failed one has an exit code.
type Finding struct {
	Check  string // settings, journal, disk, api, gwat, beacon, gate, network, era or pace
	Level  Level
	Text   string
	Remedy string // "" if the text holds it, or nothing is to be done
	Code   int
}

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Text: fmt.Sprintf(format, args...)}
}

func warn(remedy, format string, args ...any) Finding {
	return Finding{Level: Warn, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

func failed(code int, remedy, format string, args ...any) Finding {
	return Finding{Level: Fail, Text: fmt.Sprintf(format, args...), Remedy: remedy, Code: code}
}

// checker asks both nodes and keeps what later checks compare.
type checker struct {
	cfg     *settings.Config
	gwat    *gwatclient.Client
	beacon  *beaconclient.Client
	chainID *uint64
	asked   *specAnswer      // nil until the beacon node was asked for its constants
	spec    *checkpoint.Spec // nil if it did not tell them
	shown   checkpoint.Era   // that a node has shown; "" if none has yet
}

// specAnswer is what the beacon node said of its constants.
type specAnswer struct {
	spec checkpoint.Spec
	err  error
}

// Run runs every check and hands over each finding at once, in the order of the
// checks. cfg has passed Check. Its error is about a setting that no check can do
// without: the JWT secret, or an endpoint.
func Run(ctx context.Context, cfg *settings.Config, report func(Finding)) error {
	secret, err := cfg.GwatSecret()
	if err != nil {
		return exit.With(exit.Usage, err)
	}
	gwat, err := gwatclient.New(gwatclient.Config{Endpoint: cfg.Gwat.Endpoint, JWTSecret: secret, Timeout: cfg.CallTimeout})
	if err != nil {
		return err
	}
	defer gwat.Close()
	beacon, err := beaconclient.New(beaconclient.Config{URL: cfg.Beacon.Endpoint, Timeout: cfg.CallTimeout})
	if err != nil {
		return err
	}
	defer beacon.Close()
	c := &checker{cfg: cfg, gwat: gwat, beacon: beacon}
	for _, check := range []struct {
		name string
		run  func(context.Context) []Finding
	}{
		{"settings", c.settings},
		{"journal", c.journal},
		{"disk", c.disk},
		{"api", c.api},
		{"gwat", c.gwatNode},
		{"beacon", c.beaconNode},
		{"gate", c.gate},
		{"network", c.network},
		{"era", c.era},
		{"pace", c.pace},
	} {
		for _, f := range check.run(ctx) {
			f.Check = check.name
			report(f)
		}
	}
	return nil
}

// Print runs every check and writes one line for each finding. Its error names the
// checks that failed and has the exit code of the first.
func Print(ctx context.Context, cfg *settings.Config, out io.Writer) error {
	code, wrong := exit.OK, []string{}
	var broken error
	err := Run(ctx, cfg, func(f Finding) {
		text := f.Text
		if f.Remedy != "" {
			text += "; " + f.Remedy
		}
		if _, err := fmt.Fprintf(out, "%-4s  %-8s  %s\n", f.Level, f.Check, terminal.Clean(text)); broken == nil {
			broken = err
		}
		if code == exit.OK {
			code = f.Code
		}
		if f.Code != exit.OK && !slices.Contains(wrong, f.Check) {
			wrong = append(wrong, f.Check)
		}
	})
	if err = errors.Join(err, broken); err != nil {
		return err
	}
	switch len(wrong) {
	case 0:
		return nil
	case 1:
		return exit.Errorf(code, "1 check failed: %s; its line above says what to do", wrong[0])
	}
	return exit.Errorf(code, "%d checks failed: %s; their lines above say what to do", len(wrong), strings.Join(wrong, ", "))
}

func (c *checker) settings(ctx context.Context) []Finding {
	var out []Finding
	cfg := *c.cfg
	if c.eraOf(ctx) == checkpoint.EraCoordinated {
		cfg.PushTimeout = 0 // nothing is pushed
	}
	for _, w := range cfg.Warnings() {
		out = append(out, warn("", "%s", w))
	}
	if len(out) == 0 {
		out = append(out, ok("all values fit each other"))
	}
	return out
}
