package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/logs"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair"
	"github.com/gwatsync/syncd/ui/page"
)

// daemon is one pair and the API that tells about it: what run and demo share.
type daemon struct {
	pair *pair.Pair
	api  *api.Server
	log  logrus.FieldLogger
	look time.Duration // between two looks at whether the nodes answer
}

// newDaemon takes the API's address, so that a busy one is known before a node
// is touched. The journal stays the caller's.
func newDaemon(cfg *Config, j *journal.Journal, log *logrus.Logger) (*daemon, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(logs.Metric(log), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	p, err := pair.New(pair.Config{
		Name: cfg.Pair, Version: versionText(), Observe: cfg.Observe,
		Gwat:         gwatclient.Config{Endpoint: cfg.Gwat.Endpoint, JWTSecret: cfg.jwt},
		Beacon:       beaconclient.Config{URL: cfg.Beacon.Endpoint},
		PollInterval: cfg.PollInterval, ReadyInterval: cfg.ReadyInterval,
		CallTimeout: cfg.CallTimeout, PushTimeout: cfg.PushTimeout, LockTime: cfg.Gwat.Lock,
		SegmentBytes: cfg.Push.SegmentBytes, SegmentTime: cfg.Push.SegmentTime, Capacity: cfg.Push.Capacity,
		PushFromCheckpoint: cfg.Anchor == anchorJustified, FallbackSlots: cfg.FallbackSlots,
		Journal: j, Log: log, Registerer: registry,
	})
	if err != nil {
		return nil, err
	}
	serving := cfg.serving()
	serving.Gatherer, serving.Page, serving.Log = registry, page.Handler(), log
	server, err := api.New(serving, p)
	if err != nil {
		return nil, fail(exitUsage, "%w", err)
	}
	if err := server.Listen(); err != nil {
		if codeOf(err) == exitBusy {
			return nil, &exitError{code: exitBusy, err: err}
		}
		return nil, &exitError{code: exitUsage, err: err}
	}
	return &daemon{pair: p, api: server, log: log, look: cfg.PollInterval}, nil
}

// url is where the API is served.
func (d *daemon) url() string { return d.api.URL() }

// run ends with ctx (then without an error) or when a part fails. beside runs
// with the parts and looks at the pair once an interval.
func (d *daemon) run(ctx context.Context, beside ...func(ctx context.Context, interval time.Duration)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.api.Run(ctx) })
	group.Go(func() error {
		err := d.pair.Run(ctx)
		if err == nil && ctx.Err() == nil {
			err = errors.New("the pair's loop ended by itself")
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("run the pair: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		nodes := nodeLog{log: d.log, kind: map[string]string{}}
		nodes.run(ctx, d.look, d.pair.Snapshot)
		return nil
	})
	for _, run := range beside {
		group.Go(func() error { run(ctx, d.look); return nil })
	}
	return group.Wait()
}
