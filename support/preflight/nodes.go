package preflight

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/protocol"
	"github.com/gwatsync/syncd/settings"
)

// codeOfNode: a node that refuses us or does not serve what is needed is a
// matter of configuration, anything else one of reaching it.
func codeOfNode(err error) int {
	if errors.Is(err, gwatclient.ErrUnauthorized) {
		return exit.Usage
	}
	return exit.Unreachable
}

// remedyOfNode says what to do about a node that gave no usable answer.
func remedyOfNode(err error, node, flag string) string {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return remedyOfTrust(node, flag)
	case errors.Is(err, failure.ErrRateLimited):
		return "point syncd at " + node + " itself, or raise the limit of the proxy in front of it"
	case errors.Is(err, gwatclient.ErrUnauthorized):
		return "give --gwat.jwt-secret the secret that gwat was started with, or correct " + flag
	case errors.Is(err, gwatclient.ErrHTTPStatus), errors.Is(err, gwatclient.ErrMethod), errors.Is(err, gwatclient.ErrMalformed),
		errors.Is(err, beaconclient.ErrWrongEndpoint):
		return "something else than " + node + " answers there: correct " + flag
	}
	return "start " + node + " or correct " + flag
}

// remedyOfTrust says what is wrong with SSL_CERT_FILE, which Go passes over in silence if it
// cannot be used.
func remedyOfTrust(node, flag string) string {
	const variable = "SSL_CERT_FILE"
	path, set := os.LookupEnv(variable)
	if !set || path == "" {
		return fmt.Sprintf("name the PEM file of the authority that signed %s's certificate by %s in syncd's environment, or correct %s", node, variable, flag)
	}
	raw, err := os.ReadFile(path)
	switch {
	case err != nil:
		return fmt.Sprintf("let %s name a PEM file that this user can read: %v", variable, err)
	case !x509.NewCertPool().AppendCertsFromPEM(raw):
		return fmt.Sprintf("let %s name a PEM file: %s holds no certificate", variable, path)
	}
	return fmt.Sprintf("add the authority that signed %s's certificate to %s (%s), or correct %s", node, path, variable, flag)
}

// dagRemedy says where gwat serves dag, by era; "" is that of nodes that do not tell theirs.
var dagRemedy = map[checkpoint.Era]string{
	checkpoint.EraHeadSync:    "start gwat with the dag API on this endpoint (--http.api or --ws.api), or use its IPC socket",
	checkpoint.EraCoordinated: "use gwat's IPC socket, or its authrpc with --gwat.jwt-secret: no other port of a gwat of today's network serves dag",
	"":                        "use gwat's IPC socket; else start a gwat of the head-sync era with the dag API on this endpoint (--http.api or --ws.api), and of one of today's network name the authrpc, with --gwat.jwt-secret",
}

// eraOf returns the era that the beacon node's constants or gwat's state show; "" if
// neither node does.
func (c *checker) eraOf(ctx context.Context) checkpoint.Era {
	if c.shown == "" {
		spec, err := c.beaconSpec(ctx)
		if err == nil {
			c.shown = spec.Era()
		} else if _, err := (protocol.Coordinated{Client: c.gwat}).Mark(ctx); err == nil {
			c.shown = checkpoint.EraCoordinated
		}
	}
	return c.shown
}

// beaconSpec returns the beacon node's constants. It asks once: a node that limits its
// requests would hide the reason of the first refusal behind that of the second.
func (c *checker) beaconSpec(ctx context.Context) (checkpoint.Spec, error) {
	if c.asked == nil {
		spec, err := c.beacon.Spec(ctx)
		c.asked = &specAnswer{spec, err}
	}
	return c.asked.spec, c.asked.err
}

// gwatNode only reads: dag_validateSpines of nothing shows whether the dag namespace is
// served, and no ready is sent.
func (c *checker) gwatNode(ctx context.Context) []Finding {
	at := c.gwat.Endpoint()
	id, err := c.gwat.ChainID(ctx)
	if err != nil {
		return []Finding{failed(codeOfNode(err), remedyOfNode(err, "gwat", "--gwat.endpoint"), "%s: %v", at, err)}
	}
	c.chainID = &id
	version, err := c.gwat.ClientVersion(ctx)
	if err != nil {
		version = "version unknown"
	}
	out := []Finding{ok("%s answers: %s, chain id %d", at, version, id)}
	// Whatever a gwat answers to an empty list, only a missing method counts.
	if _, err := c.gwat.ValidateSpines(ctx, nil); errors.Is(err, gwatclient.ErrMethod) {
		return append(out, failed(exit.Unreachable, dagRemedy[c.eraOf(ctx)], "%s does not serve the dag namespace", at))
	}
	out = append(out, ok("the dag namespace is served"))
	if c.eraOf(ctx) == checkpoint.EraCoordinated {
		return out
	}
	// Some providers refuse batches, by which every head sync reads its blocks.
	if err := c.gwat.ProbeBatch(ctx); err != nil {
		return append(out, failed(codeOfNode(err), "let --gwat.endpoint name gwat itself, or have the proxy in front of it pass batches on", "%s: %v", at, err))
	}
	return append(out, ok("batches are answered"))
}

func (c *checker) beaconNode(ctx context.Context) []Finding {
	at := c.beacon.URL()
	spec, err := c.beaconSpec(ctx)
	if err != nil {
		return []Finding{failed(exit.Unreachable, remedyOfNode(err, "the beacon node", "--beacon.endpoint"), "%s: %v", at, err)}
	}
	c.spec = &spec
	version, err := c.beacon.Version(ctx)
	if err != nil {
		version = "version unknown"
	}
	out := []Finding{ok("%s answers: %s, network %s, deposit chain id %d", at, version, cmp.Or(spec.ConfigName, "-"), spec.DepositChainID)}
	syncing, err := c.beacon.Syncing(ctx)
	if err != nil {
		return append(out, failed(exit.Unreachable, "see its log", "%s: %v", at, err))
	}
	if before, when := spec.BeforeGenesis(time.Now()); before {
		return append(out, ok("the network has not begun: %s", when))
	}
	now := spec.SlotAt(time.Now())
	if its := uint64(syncing.HeadSlot) + syncing.Distance; its+clockSlack < uint64(now) || its > uint64(now)+clockSlack {
		return append(out, warn("set the clocks of both machines", "the beacon node's clock says slot %d, this machine's %d", its, now))
	}
	return append(out, ok("head slot %d, %d behind the clock", syncing.HeadSlot, syncing.Distance))
}

// clockSlack is how many slots two clocks may differ before it is worth a word.
const clockSlack = 2

func (c *checker) network(ctx context.Context) []Finding {
	if c.chainID == nil || c.spec == nil {
		return []Finding{warn("make both nodes reachable first", "not compared: a node does not answer")}
	}
	same, err := c.gwat.SyncSlotInfo(ctx, gwatclient.SlotInfo{
		GenesisTime: c.spec.GenesisTime, SecondsPerSlot: c.spec.SecondsPerSlot, SlotsPerEpoch: c.spec.SlotsPerEpoch,
	})
	if c.spec.Era() == checkpoint.EraCoordinated {
		// Good pairs of that era answer false too, so the chain ids alone are compared.
		if *c.chainID != c.spec.DepositChainID {
			return []Finding{failed(exit.Halted, "point both endpoints at nodes of one network", "%s and %s: wrong network: gwat's chain id is %d, the beacon node's DEPOSIT_CHAIN_ID is %d",
				c.gwat.Endpoint(), c.beacon.URL(), *c.chainID, c.spec.DepositChainID)}
		}
		return []Finding{ok("both nodes are of chain id %d", *c.chainID)}
	}
	id := checkpoint.Identity{GwatChainID: *c.chainID, Spec: *c.spec, SlotInfo: same || err != nil}
	if why := id.Conflict(); why != "" {
		return []Finding{failed(exit.Halted, "", "%s and %s: %s", c.gwat.Endpoint(), c.beacon.URL(), why)}
	}
	if err != nil {
		return []Finding{failed(codeOfNode(err), "see gwat's log", "the slot clocks could not be compared: %v", err)}
	}
	return []Finding{ok("both nodes are of chain id %d with one slot clock", *c.chainID)}
}

func (c *checker) pace(context.Context) []Finding {
	if c.spec == nil {
		return nil
	}
	slot := c.spec.SlotDuration()
	var out []Finding
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"poll-interval", c.cfg.PollInterval}, {"ready-interval", c.cfg.ReadyInterval}} {
		if d.key == "ready-interval" && c.spec.Era() == checkpoint.EraCoordinated {
			continue // nothing is asked for a ready
		}
		if d.value > slot {
			out = append(out, warn(fmt.Sprintf("make it %s or less", slot), "--%s is %s, longer than a slot (%s)", d.key, settings.Duration(d.value), slot))
		}
	}
	if len(out) == 0 {
		out = append(out, ok("the intervals are within a slot (%s)", slot))
	}
	return out
}
