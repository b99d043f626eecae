package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
)

// The values of --era.
const (
	eraHeadSync    = "head-sync"
	eraCoordinated = "coordinated"
)

// ofEra returns the action that runs a node of the era of --era.
func ofEra(headSync, coordinatedEra cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		switch era := c.String("era"); era {
		case eraHeadSync:
			return headSync(ctx, c)
		case eraCoordinated:
			return coordinatedEra(ctx, c)
		default:
			return usageError(fmt.Errorf("--era is %q; want %s or %s", era, eraHeadSync, eraCoordinated))
		}
	}
}

// coordinatedNode returns what the flags say of either node: its network and the secret
// of its calls.
func coordinatedNode(c *cli.Command) (*coordinated.Network, []byte, error) {
	n, err := coordinatedNetwork(c)
	if err != nil {
		return nil, nil, err
	}
	secret, err := readSecret(c.String("jwt-secret"))
	return n, secret, err
}

// coordinatedNetwork returns the network that the flags describe.
func coordinatedNetwork(c *cli.Command) (*coordinated.Network, error) {
	genesis, err := genesisTime(c.String("genesis"), c.String("genesis-file"), time.Now())
	if err != nil {
		return nil, err
	}
	if genesis == 0 {
		return nil, errNoGenesis
	}
	n := &coordinated.Network{
		ChainID: c.Uint64("chain-id"), GenesisTime: genesis,
		SecondsPerSlot: c.Uint64("seconds-per-slot"), SlotsPerEpoch: c.Uint64("slots-per-epoch"),
	}
	for _, flag := range []string{"seconds-per-slot", "slots-per-epoch", "chain-id"} {
		if c.Uint64(flag) == 0 {
			return nil, usageError(fmt.Errorf("--%s is 0; want at least 1", flag))
		}
	}
	return n, nil
}

var errNoGenesis = usageError(errors.New("--genesis is missing; give Unix seconds or a time relative to now as in now-120s"))

func shownCoordinated(n *coordinated.Network) shownNetwork {
	return shownNetwork{n.ChainID, n.GenesisTime, n.SecondsPerSlot, n.SlotsPerEpoch}
}

// served is a node whose work beside its handler is run.
type served struct {
	handler http.Handler
	run     func(context.Context)
}

func (s served) Handler() http.Handler { return s.handler }

func (s served) Run(ctx context.Context) error {
	s.run(ctx)
	return nil
}

func runCoordinatedGwat(ctx context.Context, c *cli.Command) error {
	n, secret, err := coordinatedNode(c)
	if err != nil {
		return err
	}
	g := coordinated.NewGwat(n, coordinated.Enodes(int(c.Uint64("peers")))...)
	if speed := c.Float("sync-speed"); speed > 0 {
		g.BlockTime = time.Duration(float64(time.Second) / speed)
	}
	var extra []func(context.Context) error
	if path := c.String("ipc"); path != "" {
		extra = append(extra, func(ctx context.Context) error { return g.ServeIPC(ctx, path) })
	}
	return serve(ctx, c, shownCoordinated(n), served{g.AuthRPC(secret), func(ctx context.Context) { <-ctx.Done() }}, extra...)
}

func runCoordinatedBeacon(ctx context.Context, c *cli.Command) error {
	n, secret, err := coordinatedNode(c)
	if err != nil {
		return err
	}
	gwat := c.String("gwat")
	if err := checkEndpoint(gwat); err != nil {
		return err
	}
	b := coordinated.NewBeacon(n, coordinated.Caller{URL: gwat, JWTSecret: secret}, int(c.Uint64("peers")))
	if speed := c.Float("sync-speed"); speed > 0 {
		b.SyncSpeed = uint64(max(speed, 1))
	}
	run := b.Run
	if gwat == "" {
		run = b.Follow
	}
	return serve(ctx, c, shownCoordinated(n), served{b, run})
}
