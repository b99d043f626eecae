package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

const watched = 60 * time.Second

var idleRows = []rowName{
	{"idle in working mode: CPU of one core", atMost(0.3, "%")},
	{"idle in working mode: RSS", atMost(40, "MiB")},
}

var idle = subject{name: "idle", rows: idleRows, measure: measureIdle, process: true, bound: 5 * time.Minute}

// measureIdle brings a pair of a network with slots of four seconds to work, lets
// syncd come to rest, and watches the process for a minute.
func measureIdle(ctx context.Context, b *bench) ([]row, error) {
	w, err := world.New(world.Config{
		Seed: 600, GenesisTime: uint64(time.Now().Unix()) - 4*200, SecondsPerSlot: 4, SlotsPerEpoch: slotsPerEpoch, MissRate: 0.05,
	})
	if err != nil {
		return nil, err
	}
	chain := &network{World: w}
	data, err := os.MkdirTemp(b.programs, "data-")
	if err != nil {
		return nil, err
	}
	var rows []row
	err = on(ctx, plan{chain: chain, at: chain.atCheckpoint}, func(r *rig) error {
		d, err := b.startDaemon(r, data)
		if err != nil {
			return err
		}
		defer d.stop()
		if err := r.finalized(ctx, r.head(), time.Minute); err != nil {
			return d.explain(err)
		}
		r.beacon.SetIdle(false)
		if err := d.works(ctx, 2*time.Minute); err != nil {
			return d.explain(err)
		}
		rows, err = b.watch(ctx, r, d)
		return d.explain(err)
	})
	return rows, err
}

func (b *bench) watch(ctx context.Context, r *rig, d *daemon) ([]row, error) {
	before, err := cpuOf(d.pid())
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	select {
	case <-time.After(b.watched()):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	after, err := cpuOf(d.pid())
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	resident, err := memoryOf(d.pid(), "VmRSS")
	if err != nil {
		return nil, err
	}
	if err := d.works(ctx, time.Second); err != nil {
		return nil, fmt.Errorf("the pair did not go on working: %w", err)
	}
	const behind = 2 // slots that normal work may be behind
	wrong := r.check(r.chain.HeadAt(r.head().Slot - behind))
	rows := []row{
		figure(idleRows[0].name, idleRows[0].want, 100*(after-before).Seconds()/took.Seconds(), wrong),
		figure(idleRows[1].name, idleRows[1].want, resident, wrong),
	}
	for i := range rows {
		rows[i].Costs = costs{}.String()
		rows[i].Note = fmt.Sprintf("utime + stime of %s and VmRSS at its end, default settings, slots of 4 s", took.Round(time.Second))
	}
	return rows, nil
}
