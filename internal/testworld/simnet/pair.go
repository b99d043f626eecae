package simnet

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// DefaultPeers a node gets that names none.
const DefaultPeers = 3

// Options of a pair. Chain, gwat's endpoint and JWT secret of the beacon node
// are filled in by Start.
type Options struct {
	Chain  world.Chain  // the network; nil generates it from World
	World  world.Config // its GenesisTime must be set if it is used
	Gwat   gwatsim.Config
	Beacon beaconsim.Config
	IPC    string // path of a socket on which gwat is served too; "" for none
	// Between returns the endpoint at which the beacon node calls gwat, when the
	// addresses of the pair are known; nil is gwat's own.
	Between func(*Pair) (endpoint string, err error)
}

// Pair is a running pair.
type Pair struct {
	Chain     world.Chain
	Gwat      *gwatsim.Node
	Beacon    *beaconsim.Node
	GwatURL   string // http://…; the same address serves WebSocket
	GwatWS    string // ws://…
	GwatIPC   string
	BeaconURL string

	cancel context.CancelFunc
	group  *errgroup.Group
}

// Start builds both nodes and serves them until ctx ends or Close is called.
// What is half built is closed again.
func Start(ctx context.Context, options Options) (*Pair, error) {
	chain := options.Chain
	if chain == nil {
		generated, err := world.New(options.World)
		if err != nil {
			return nil, err
		}
		chain = generated
	}
	gwatListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for gwat: %w", err)
	}
	beaconListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for the beacon node: %w", err), gwatListener.Close())
	}
	p := &Pair{
		Chain:     chain,
		GwatURL:   "http://" + gwatListener.Addr().String(),
		GwatWS:    "ws://" + gwatListener.Addr().String(),
		GwatIPC:   options.IPC,
		BeaconURL: "http://" + beaconListener.Addr().String(),
	}
	if err := p.build(options); err != nil {
		return nil, errors.Join(err, gwatListener.Close(), beaconListener.Close())
	}

	ctx, p.cancel = context.WithCancel(ctx)
	p.group, ctx = errgroup.WithContext(ctx)
	p.group.Go(func() error { return p.Gwat.Run(ctx) })
	p.group.Go(func() error { return p.Beacon.Run(ctx) })
	p.group.Go(func() error { return Serve(ctx, gwatListener, p.Gwat.Handler()) })
	p.group.Go(func() error { return Serve(ctx, beaconListener, p.Beacon.Handler()) })
	if options.IPC != "" {
		p.group.Go(func() error { return p.Gwat.ServeIPC(ctx, options.IPC) })
	}
	return p, nil
}

func (p *Pair) build(options Options) error {
	gwat, beacon := options.Gwat, options.Beacon
	gwat.Chain, beacon.Chain = p.Chain, p.Chain
	if gwat.Peers == 0 {
		gwat.Peers = DefaultPeers
	}
	if beacon.Peers == 0 {
		beacon.Peers = DefaultPeers
	}
	beacon.Gwat, beacon.JWTSecret = p.GwatURL, gwat.JWTSecret
	var err error
	if options.Between != nil {
		if beacon.Gwat, err = options.Between(p); err != nil {
			return err
		}
	}
	if p.Gwat, err = gwatsim.New(gwat); err != nil {
		return fmt.Errorf("build gwat: %w", err)
	}
	if p.Beacon, err = beaconsim.New(beacon); err != nil {
		return fmt.Errorf("build the beacon node: %w", err)
	}
	return nil
}

// Close stops both nodes, waits for all their goroutines and gives the first
// error that any of them ended with.
func (p *Pair) Close() error {
	p.cancel()
	if err := p.group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
