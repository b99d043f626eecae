package preflight

import (
	"context"
	"errors"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/protocol"
)

// era says which protocol the nodes speak, what syncd does for such a pair, and what
// gwat's endpoint lacks for that.
func (c *checker) era(ctx context.Context) []Finding {
	if c.chainID == nil || c.spec == nil {
		return nil // the network's line says that a node does not answer
	}
	if c.spec.Era() == checkpoint.EraHeadSync {
		return []Finding{ok("head-sync (gwat of 2022-09 to 2023-04): syncd drives gwat from the checkpoint to the head")}
	}
	_, err := protocol.Coordinated{Client: c.gwat}.Mark(ctx)
	switch {
	case err == nil:
	case errors.Is(err, gwatclient.ErrMethod):
		return []Finding{failed(exit.Unreachable, "use gwat's IPC socket, or its authrpc with --gwat.jwt-secret; if gwat is older than 2023-04, run both nodes at versions of one network",
			"the beacon node is of the coordinated era, and %s serves no dag_coordinatedState", c.gwat.Endpoint())}
	default:
		return []Finding{failed(codeOfNode(err), "see gwat's log", "%s: %v", c.gwat.Endpoint(), err)}
	}
	out := []Finding{ok("coordinated (gwat since 2023-04): the beacon node drives gwat; syncd watches, reports the stages and names what is broken")}
	for _, lacks := range []struct {
		method string
		ask    func() error
		so     string
	}{
		{"wat_info", func() error { _, err := c.gwat.WatInfo(ctx); return err }, "the progress of a sync is not shown"},
		{"net_peerCount", func() error { _, err := c.gwat.PeerCount(ctx); return err }, "a gwat without peers is recognized only after a restart, by what it does not do"},
		{"admin_peers", func() error { _, err := c.gwat.Peers(ctx); return err }, "heal.peers is not possible"},
	} {
		if errors.Is(lacks.ask(), gwatclient.ErrMethod) {
			out = append(out, warn("prefer gwat's IPC socket as --gwat.endpoint", "%s serves no %s: %s", c.gwat.Endpoint(), lacks.method, lacks.so))
		}
	}
	return out
}
