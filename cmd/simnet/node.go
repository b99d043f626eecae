package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// node is what both simulated nodes have in common.
type node interface {
	Run(ctx context.Context) error
	Handler() http.Handler
}

func runGwat(ctx context.Context, c *cli.Command) error {
	chain, err := network(c)
	if err != nil {
		return err
	}
	secret, err := readSecret(c.String("jwt-secret"))
	if err != nil {
		return err
	}
	log, onCall, err := callLog(c.String("call-log"))
	if err != nil {
		return err
	}
	defer log.Close()
	n, err := gwatsim.New(gwatsim.Config{
		Chain:         chain,
		OnCall:        onCall,
		DataDir:       c.String("data-dir"),
		StartSlot:     primitives.Slot(c.Uint64("start-slot")),
		Lock:          c.Duration("lock"),
		RollbackCost:  c.Duration("rollback-cost"),
		EntryCost:     c.Duration("entry-cost"),
		SyncSpeed:     c.Float("sync-speed"),
		DAGSpeed:      c.Float("dag-speed"),
		GoOn:          c.Bool("go-on"),
		FallbackSlots: c.Uint64("fallback-slots"),
		Peers:         c.Uint64("peers"),
		Version:       c.String("node-version"),
		JWTSecret:     secret,
		VirtualHosts:  c.StringSlice("vhosts"),
	})
	if errors.Is(err, gwatsim.ErrBadConfig) {
		return usageError(err)
	}
	if err != nil {
		return err
	}
	var extra []func(context.Context) error
	if path := c.String("ipc"); path != "" {
		extra = append(extra, func(ctx context.Context) error { return n.ServeIPC(ctx, path) })
	}
	return serve(ctx, c, networkOf(chain), n, extra...)
}

func runBeacon(ctx context.Context, c *cli.Command) error {
	chain, err := network(c)
	if err != nil {
		return err
	}
	secret, err := readSecret(c.String("jwt-secret"))
	if err != nil {
		return err
	}
	if err := checkEndpoint(c.String("gwat")); err != nil {
		return err
	}
	driver, err := beaconsim.ParseDriver(c.String("driver"))
	if err != nil {
		return usageError(fmt.Errorf("--driver: %w", err))
	}
	cfg := beaconsim.Config{
		Chain:      chain,
		DataDir:    c.String("data-dir"),
		SyncSpeed:  c.Float("sync-speed"),
		StartSlot:  primitives.Slot(c.Uint64("start-slot")),
		Peers:      c.Uint64("peers"),
		Version:    c.String("node-version"),
		Gwat:       c.String("gwat"),
		JWTSecret:  secret,
		Driver:     driver,
		IdleWork:   c.Bool("idle-work"),
		BadBlocks:  c.Bool("bad-blocks"),
		AnswerCost: c.Duration("answer-cost"),
		SSETimeout: c.Duration("sse-timeout"),
	}
	n, err := beaconsim.New(cfg)
	if errors.Is(err, beaconsim.ErrBadConfig) {
		return usageError(err)
	}
	if err != nil {
		return err
	}
	return serve(ctx, c, networkOf(chain), n)
}

// checkEndpoint refuses an endpoint to which no call could ever be made; "" is none.
func checkEndpoint(gwat string) error {
	if gwat == "" {
		return nil
	}
	client, err := gwatclient.New(gwatclient.Config{Endpoint: gwat})
	if err != nil {
		return usageError(fmt.Errorf("--gwat: %w", err))
	}
	client.Close()
	return nil
}

// shownNetwork is what a node prints of its network at its start.
type shownNetwork struct{ chain, genesis, slot, epoch uint64 }

func networkOf(chain world.Chain) shownNetwork {
	spec := chain.Spec()
	return shownNetwork{spec.DepositChainID, spec.GenesisTime, spec.SecondsPerSlot, spec.SlotsPerEpoch}
}

// serve runs a node until ctx ends, which is no failure.
func serve(ctx context.Context, c *cli.Command, network shownNetwork, n node, extra ...func(context.Context) error) error {
	listener, err := net.Listen("tcp", c.String("listen"))
	if err != nil {
		return fmt.Errorf("--listen %s: %w", c.String("listen"), err)
	}
	fmt.Fprintf(c.Root().Writer, "simnet %s: serving %s, chain %d, genesis %d, %d s a slot, %d slots an epoch\n",
		c.Name, listener.Addr(), network.chain, network.genesis, network.slot, network.epoch)
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return n.Run(inner) })
	group.Go(func() error { return simnet.Serve(inner, listener, n.Handler()) })
	for _, part := range extra {
		group.Go(func() error { return part(inner) })
	}
	if err := group.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// callLog opens the file that gets a line of JSON for each call; "" keeps none.
// Each line is one write, so that the death of the process tears none.
func callLog(path string) (io.Closer, func(gwatsim.Call), error) {
	if path == "" {
		return io.NopCloser(nil), nil, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, usageError(fmt.Errorf("--call-log: %w", err))
	}
	lines := json.NewEncoder(file)
	return file, func(call gwatsim.Call) {
		if err := lines.Encode(call); err != nil {
			fmt.Fprintf(os.Stderr, "simnet gwat: --call-log: %v\n", err)
		}
	}, nil
}

// readSecret reads 32 bytes in hex, with or without 0x; "" gives none.
func readSecret(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError(fmt.Errorf("--jwt-secret: %w", err))
	}
	secret, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(raw)), "0x"))
	if err != nil || len(secret) != 32 {
		return nil, usageError(fmt.Errorf("--jwt-secret %s: want 32 bytes in hex", file))
	}
	return secret, nil
}
