package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
)

const (
	handovers = 120
	// lookEvery is shorter than by default, so that many handovers fit in; how long
	// readiness goes unseen is not in the figures.
	lookEvery = 100 * time.Millisecond
	// dagSpeed makes gwat load its DAG for about as long as a pair needs to come there.
	dagSpeed = 150
)

var shareRows = []rowName{
	{"syncd's own share, p99: first answer that shows readiness to ready call", atMost(50, "ms")},
	{"syncd's own share, p99: push's answer to start of verification", atMost(50, "ms")},
}

var share = subject{name: "share", rows: shareRows, measure: measureShare, bound: 5 * time.Minute}

// measureShare has a pair's loop with a journal on disk hand over again and again,
// each time to nodes that take no time, and reads the moments before gwat.
func measureShare(ctx context.Context, b *bench) ([]row, error) {
	var toReady, toConfirm, toVerify []float64
	var wrong error
	count := b.rounds(handovers)
	for i := range count {
		m, bad, err := handOver(ctx, b, uint64(i))
		if err != nil {
			return nil, fmt.Errorf("handover %d: %w", i, err)
		}
		wrong = errors.Join(wrong, bad)
		toReady = append(toReady, milliseconds(m.ready.Sub(m.shown)))
		toConfirm = append(toConfirm, milliseconds(m.confirm.Sub(m.answered)))
		toVerify = append(toVerify, milliseconds(m.verify.Sub(m.answered)))
	}
	notes := []string{
		fmt.Sprintf("%d handovers of 32 to 64 entries, nothing collected before, seen before gwat: from the end of the first eth_syncing answer that is neither finalized nor dag to the arrival of dag_headSyncReady; the nodes share the cores", count),
		fmt.Sprintf("from the end of the last dag_headSync answer to the arrival of the first dag_getCandidates, which ends the first look of the verification, confirmation by block reads included; to the first block read p99 %s ms", short(percentile(toConfirm, 99))),
	}
	rows := make([]row, len(shareRows))
	for i, values := range [][]float64{toReady, toVerify} {
		rows[i] = figure(shareRows[i].name, shareRows[i].want, percentile(values, 99), wrong)
		rows[i].Spread, rows[i].Costs, rows[i].Note = spreadOf(values), costs{}.String(), notes[i]
	}
	return rows, nil
}

func milliseconds(d time.Duration) float64 { return 1000 * d.Seconds() }

// handOver is one handover on a fresh pair; gwat is still in DAG sync at its start.
func handOver(ctx context.Context, b *bench, seed uint64) (m moments, wrong, err error) {
	age := 4*slotsPerEpoch + seed%slotsPerEpoch
	w, err := world.New(world.Config{
		Seed: 800 + seed, GenesisTime: uint64(time.Now().Unix()) - 4*age, SecondsPerSlot: 4, SlotsPerEpoch: slotsPerEpoch,
		MaxBlocksPerSlot: 2, MissRate: 0.05,
	})
	if err != nil {
		return m, nil, err
	}
	data, err := os.MkdirTemp(b.programs, "data-")
	if err != nil {
		return m, nil, err
	}
	j, err := journal.Open(filepath.Join(data, "bench.journal"))
	if err != nil {
		return m, nil, err
	}
	stopwatch := newStopwatch()
	p := plan{chain: &network{World: w}, gwat: gwatsim.Config{DAGSpeed: dagSpeed}, before: stopwatch.watch}
	err = on(ctx, p, func(r *rig) error {
		head := r.head()
		if err := runPair(ctx, r, j, stopwatch.done); err != nil {
			return err
		}
		m, wrong = stopwatch.moments(), r.check(head)
		return m.complete()
	})
	return m, wrong, errors.Join(err, j.Close())
}

// runPair runs the daemon's loop until done is closed.
func runPair(ctx context.Context, r *rig, j *journal.Journal, done <-chan struct{}) error {
	log := logrus.New()
	log.SetOutput(io.Discard)
	p, err := pair.New(pair.Config{
		Name: "bench", Version: "bench", Journal: j, Log: log,
		Gwat: gwatclient.Config{Endpoint: r.gwatURL}, Beacon: beaconclient.Config{URL: r.beaconURL},
		Times: pair.Times{PollInterval: lookEvery},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	select {
	case <-done:
	case <-ctx.Done():
		s := p.Snapshot()
		err = fmt.Errorf("no verification within a minute: in %s waiting for %q, last error %+v", s.Stage, s.Waiting, s.LastError)
	}
	cancel()
	return errors.Join(err, <-ended)
}
