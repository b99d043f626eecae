package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/ui/terminal"
)

func checkCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "tell before the start what does not fit: endpoints, network, settings; changes nothing on a node",
		Flags: flagsOf(nil),
		Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := load(cmd, con, nil)
			if err != nil {
				return err
			}
			if err := cfg.Check(); err != nil {
				return err
			}
			return preflight(ctx, cfg, con)
		}),
	}
}

// finding is what one check found. A failed one has an exit code.
type finding struct {
	level  string // ok, warn or fail
	text   string
	remedy string
	code   int
}

func ok(format string, args ...any) finding {
	return finding{level: "ok", text: fmt.Sprintf(format, args...)}
}

func warn(remedy, format string, args ...any) finding {
	return finding{level: "warn", text: fmt.Sprintf(format, args...), remedy: remedy}
}

func failed(code int, remedy, format string, args ...any) finding {
	return finding{level: "fail", text: fmt.Sprintf(format, args...), remedy: remedy, code: code}
}

// checker asks both nodes and remembers what later checks compare.
type checker struct {
	cfg     *Config
	gwat    *gwatclient.Client
	beacon  *beaconclient.Client
	chainID *uint64
	spec    *checkpoint.Spec
}

// preflight prints one line a check; the first failure gives the exit code.
func preflight(ctx context.Context, cfg *Config, con console) error {
	gwat, err := gwatclient.New(gwatclient.Config{Endpoint: cfg.Gwat.Endpoint, JWTSecret: cfg.jwt, Timeout: cfg.CallTimeout})
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
	code, wrong := exitOK, []string{}
	for _, check := range []struct {
		name string
		run  func(context.Context) []finding
	}{
		{"settings", c.settings},
		{"journal", c.journal},
		{"disk", c.disk},
		{"api", c.api},
		{"gwat", c.gwatNode},
		{"beacon", c.beaconNode},
		{"network", c.network},
		{"pace", c.pace},
	} {
		for _, f := range check.run(ctx) {
			text := f.text
			if f.remedy != "" {
				text += "; " + f.remedy
			}
			fmt.Fprintf(con.stdout, "%-4s  %-8s  %s\n", f.level, check.name, terminal.Clean(text))
			if code == exitOK {
				code = f.code
			}
			if f.code != exitOK && !slices.Contains(wrong, check.name) {
				wrong = append(wrong, check.name)
			}
		}
	}
	switch len(wrong) {
	case 0:
		return nil
	case 1:
		return fail(code, "1 check failed: %s; its line above says what to do", wrong[0])
	}
	return fail(code, "%d checks failed: %s; their lines above say what to do", len(wrong), strings.Join(wrong, ", "))
}

func (c *checker) settings(context.Context) []finding {
	var out []finding
	for _, w := range c.cfg.warnings() {
		out = append(out, warn("", "%s", w))
	}
	if len(out) == 0 {
		out = append(out, ok("all values fit each other"))
	}
	return out
}

func (c *checker) api(ctx context.Context) []finding {
	return append(c.socket(), c.port(ctx)...)
}

// socket: the directory may be one that the service manager makes at the start.
func (c *checker) socket() []finding {
	if c.cfg.API.Socket == "" {
		return nil
	}
	dir := filepath.Dir(c.cfg.API.Socket)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return []finding{warn("the unit makes it (RuntimeDirectory=); without the unit make it, or give another --api.socket", "%s is not there yet", dir)}
	case err != nil:
		return []finding{warn(otherUser, "%v", err)}
	case !info.IsDir():
		return []finding{failed(exitUsage, "give another --api.socket", "%s is no directory", dir)}
	}
	return nil
}

func (c *checker) port(ctx context.Context) []finding {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.cfg.API.Listen)
	if codeOf(err) == exitBusy {
		return []finding{warn("give another --api.listen, if it is not a syncd that runs already", "%v", err)}
	}
	if err != nil {
		return []finding{failed(exitUsage, "give --api.listen an address of this machine", "%v", err)}
	}
	if err := l.Close(); err != nil {
		return []finding{warn("", "%v", err)}
	}
	return []finding{ok("%s is free", c.cfg.API.Listen)}
}

// codeOfNode: a node that refuses us or does not serve what is needed is a
// matter of configuration, anything else one of reaching it.
func codeOfNode(err error) int {
	if errors.Is(err, gwatclient.ErrUnauthorized) {
		return exitUsage
	}
	return exitUnreachable
}

// remedyOfNode says what to do about a node that gave no usable answer.
func remedyOfNode(err error, node, flag string) string {
	switch {
	case errors.Is(err, gwatclient.ErrUnauthorized):
		return "give --gwat.jwt-secret the secret that gwat was started with, or correct " + flag
	case errors.Is(err, gwatclient.ErrHTTPStatus), errors.Is(err, gwatclient.ErrMethod), errors.Is(err, gwatclient.ErrMalformed),
		errors.Is(err, beaconclient.ErrWrongEndpoint):
		return "something else than " + node + " answers there: correct " + flag
	}
	return "start " + node + " or correct " + flag
}

// gwatNode only reads: dag_validateSpines of nothing tells whether the dag
// namespace is served, and no ready is ever asked.
func (c *checker) gwatNode(ctx context.Context) []finding {
	at := c.gwat.Endpoint()
	id, err := c.gwat.ChainID(ctx)
	if err != nil {
		return []finding{failed(codeOfNode(err), remedyOfNode(err, "gwat", "--gwat.endpoint"), "%s: %v", at, err)}
	}
	c.chainID = &id
	version, err := c.gwat.ClientVersion(ctx)
	if err != nil {
		version = "version unknown"
	}
	out := []finding{ok("%s answers: %s, chain id %d", at, version, id)}
	// What a gwat says to an empty list is no matter: only a missing method is.
	if _, err := c.gwat.ValidateSpines(ctx, nil); errors.Is(err, gwatclient.ErrMethod) {
		return append(out, failed(exitUnreachable, "start gwat with the dag API on this endpoint (--http.api or --ws.api), or use its IPC socket",
			"%s does not serve the dag namespace", at))
	}
	return append(out, ok("the dag namespace is served"))
}

func (c *checker) beaconNode(ctx context.Context) []finding {
	at := c.beacon.URL()
	spec, err := c.beacon.Spec(ctx)
	if err != nil {
		return []finding{failed(exitUnreachable, remedyOfNode(err, "the beacon node", "--beacon.endpoint"), "%s: %v", at, err)}
	}
	c.spec = &spec
	version, err := c.beacon.Version(ctx)
	if err != nil {
		version = "version unknown"
	}
	out := []finding{ok("%s answers: %s, network %s, deposit chain id %d", at, version, orDash(spec.ConfigName), spec.DepositChainID)}
	syncing, err := c.beacon.Syncing(ctx)
	if err != nil {
		return append(out, failed(exitUnreachable, "see its log", "%s: %v", at, err))
	}
	now := spec.SlotAt(time.Now())
	if told := uint64(syncing.HeadSlot) + syncing.Distance; told+clockSlack < uint64(now) || told > uint64(now)+clockSlack {
		return append(out, warn("set the clocks of both machines", "the beacon node's clock says slot %d, this machine's %d", told, now))
	}
	return append(out, ok("head slot %d, %d behind the clock", syncing.HeadSlot, syncing.Distance))
}

// clockSlack is how many slots two clocks may differ before it is worth a word.
const clockSlack = 2

func (c *checker) network(ctx context.Context) []finding {
	if c.chainID == nil || c.spec == nil {
		return []finding{warn("make both nodes reachable first", "not compared: a node does not answer")}
	}
	same, err := c.gwat.SyncSlotInfo(ctx, gwatclient.SlotInfo{
		GenesisTime: c.spec.GenesisTime, SecondsPerSlot: c.spec.SecondsPerSlot, SlotsPerEpoch: c.spec.SlotsPerEpoch,
	})
	id := checkpoint.Identity{GwatChainID: *c.chainID, Spec: *c.spec, SlotInfo: same || err != nil}
	if why := id.Conflict(); why != "" {
		return []finding{failed(exitHalted, "", "%s and %s: %s", c.gwat.Endpoint(), c.beacon.URL(), why)}
	}
	if err != nil {
		return []finding{failed(codeOfNode(err), "see gwat's log", "the slot clocks could not be compared: %v", err)}
	}
	return []finding{ok("both nodes are of chain id %d with one slot clock", *c.chainID)}
}

func (c *checker) pace(context.Context) []finding {
	if c.spec == nil {
		return nil
	}
	slot := c.spec.SlotDuration()
	var out []finding
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"poll-interval", c.cfg.PollInterval}, {"ready-interval", c.cfg.ReadyInterval}} {
		if d.value > slot {
			out = append(out, warn(fmt.Sprintf("make it %s or less", slot), "--%s is %s, longer than a slot (%s)", d.key, shortDuration(d.value), slot))
		}
	}
	if len(out) == 0 {
		out = append(out, ok("both intervals are within a slot (%s)", slot))
	}
	return out
}
