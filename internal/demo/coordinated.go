package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/internal/testworld/simnet/coordinated"
)

// blockTime is how long the gwat of the coordinated era loads a block.
const blockTime = 10 * time.Millisecond

// startCoordinated starts a pair of the coordinated era, whose beacon node drives gwat
// by itself.
func (d *Demo) startCoordinated(ctx context.Context, now time.Time) (*coordinated.Pair, error) {
	return coordinated.Start(ctx, &coordinated.Network{
		ChainID: 1337, GenesisTime: uint64(now.Unix()) - age*secondsPerSlot, SecondsPerSlot: secondsPerSlot, SlotsPerEpoch: slotsPerEpoch,
	}, coordinated.Speeds{BlockTime: blockTime, SyncSpeed: beaconSpeed})
}

// runCoordinated is Run for the coordinated era.
func (d *Demo) runCoordinated(ctx context.Context, log *logrus.Logger) (err error) {
	nodes, err := d.startCoordinated(ctx, time.Now())
	if err != nil {
		return fmt.Errorf("start the simulated pair: %w", err)
	}
	defer func() {
		if closeErr := nodes.Close(); closeErr != nil && err == nil {
			err = fmt.Errorf("stop the simulated pair: %w", closeErr)
		}
	}()
	d.Settings.SetEndpoints(nodes.GwatURL, nodes.BeaconURL)
	served, err := d.serve(log)
	if err != nil {
		return err
	}
	d.announce(served)
	return d.follow(ctx, served)
}
