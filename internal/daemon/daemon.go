package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/gate"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/logs"
	"github.com/gwatsync/syncd/internal/tracing"
	"github.com/gwatsync/syncd/internal/watched"
	"github.com/gwatsync/syncd/internal/webhook"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/ui/page"
)

// Daemon is one pair and the API that serves its state.
type Daemon struct {
	// Pair is the loop of the pair, of whichever era its nodes are.
	Pair Loop

	api      *api.Server
	gate     *gate.Gate       // nil without one
	webhook  *webhook.Webhook // nil without one
	traces   *tracing.Tracer  // nil if nothing is traced
	log      logrus.FieldLogger
	interval time.Duration // between two looks at the newest snapshot
}

// Kept is what outlives a daemon. It stays the caller's.
type Kept struct {
	Journal *journal.Journal
	Past    *memory.Memory // nil begins with an empty one
}

// New builds a daemon from checked settings and listens on the API's address, so that
// a busy one is known before a node is asked. Errors have the exit code of `syncd run`.
func New(cfg *settings.Config, version string, kept Kept, log *logrus.Logger) (*Daemon, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(logs.Metric(log), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	serving, err := cfg.Serving()
	if err != nil {
		return nil, startError(err)
	}
	var p *loops
	between, err := newGate(cfg, kept.Journal, log, registry, func(ctx context.Context, root common.Hash) (bool, error) { return p.canonical(ctx, root) })
	if err != nil {
		return nil, startError(err)
	}
	traces := newTracer(cfg, version, log)
	p, err = newPair(cfg, version, kept, log, between, traces)
	if err != nil {
		return nil, err
	}
	hook, err := newWebhook(cfg, p.Snapshot, log, registry)
	if err != nil {
		return nil, startError(err)
	}
	if serving.JWTSecret != nil {
		secret, err := watched.New(cfg.APISecret, func(err error) {
			log.WithError(err).Warn("The changed file of --api.jwt-secret cannot be used; going on with the secret from before")
		}, cfg.API.JWTSecret)
		if err != nil {
			return nil, startError(err)
		}
		serving.Secret = secret.Get
	}
	serving.Gatherer, serving.Page, serving.Log = prometheus.Gatherers{registry, p}, page.Handler(), log
	if between != nil {
		serving.Calls = calls{between}
	}
	server, err := api.New(serving, p)
	if err != nil {
		return nil, startError(err)
	}
	if err := server.Listen(); err != nil {
		return nil, startError(err)
	}
	if between != nil {
		if err := between.Listen(); err != nil {
			return nil, startError(err)
		}
	}
	return &Daemon{Pair: p, api: server, gate: between, webhook: hook, traces: traces, log: log, interval: cfg.PollInterval}, nil
}

// newTracer returns what traces head syncs; nil if no collector is named.
func newTracer(cfg *settings.Config, version string, log *logrus.Logger) *tracing.Tracer {
	if cfg.Trace.Endpoint == "" {
		return nil
	}
	return tracing.New(tracing.Config{Endpoint: cfg.Trace.Endpoint, Pair: cfg.Pair, Version: version, Log: log})
}

// newGate returns the gate that the settings, or sockets of the service manager, ask
// for; nil if neither does. canonical says whether the beacon node has a block.
func newGate(cfg *settings.Config, j *journal.Journal, log *logrus.Logger, r prometheus.Registerer, canonical func(context.Context, common.Hash) (bool, error)) (*gate.Gate, error) {
	gateCfg, on := cfg.GateConfig()
	var err error
	if gateCfg.Inherited, err = gate.Inherited(); err != nil {
		return nil, err
	}
	if !on && len(gateCfg.Inherited) == 0 {
		return nil, nil
	}
	gateCfg.Log, gateCfg.Mends.Canonical, gateCfg.View = log, canonical, FirstView(cfg.Observe, j)
	metrics, err := gate.NewMetrics(prometheus.WrapRegistererWith(prometheus.Labels{"pair": cfg.Pair}, r))
	if err != nil {
		return nil, err
	}
	gateCfg.Observe = metrics.Observe
	return gate.New(gateCfg)
}

// startError returns an error of the start with its exit code; nil stays nil.
func startError(err error) error { return exit.With(exit.OfStart(err), err) }

// Check is Config.Check for `syncd run`, which waits for the file of gwat's JWT secret
// as it waits for a node. Errors have the exit code of the start.
func Check(cfg *settings.Config) error {
	if err := cfg.Check(); err != nil {
		return startError(err)
	}
	if _, err := cfg.GwatSecret(); err != nil && !errors.Is(err, settings.ErrNotYet) {
		return startError(err)
	}
	return nil
}

// OpenJournal opens the journal of a pair. Its error has the exit code of the start
// and names the remedy.
func OpenJournal(cfg *settings.Config) (*journal.Journal, error) {
	j, err := journal.Open(cfg.JournalPath())
	if err == nil {
		return j, nil
	}
	code := exit.OfStart(err)
	if code == exit.Busy {
		return nil, exit.Errorf(code, "--data-dir: %w; stop it, or give this one another --data-dir or --pair", err)
	}
	return nil, exit.Errorf(code, "--data-dir is %q: %w; %s", cfg.DataDir, err, settings.RemedyOfDataDir(err))
}

// Serve checks the settings and runs a daemon until ctx ends. The log goes to stderr.
// Its error has the exit code of `syncd run`.
func Serve(ctx context.Context, cfg *settings.Config, version string, stderr io.Writer) (err error) {
	if err := Check(cfg); err != nil {
		return err
	}
	log, err := logs.New(stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	logs.TakeErrorsOfGoEthereum(log)
	for _, warning := range cfg.Warnings() {
		log.Warn(warning)
	}
	j, err := OpenJournal(cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := j.Close(); closeErr != nil && err == nil {
			err = closeErr
		}
	}()
	past, note := memory.Open(cfg.PastPath())
	if note != "" {
		log.Warn(note)
	}
	d, err := New(cfg, version, Kept{Journal: j, Past: past}, log)
	if err != nil {
		return err
	}
	log.WithFields(logrus.Fields{
		"version": version, "pair": cfg.Pair, "observe": cfg.Observe, "api": d.URL(), "journal": cfg.JournalPath(),
	}).Info("syncd starts")
	if err := d.Run(ctx, d.Notify(), func(ctx context.Context) { past.Keep(ctx, cfg.PastPath(), log) }); err != nil {
		return err
	}
	log.Info("syncd has stopped")
	return nil
}

// URL is where the API is served.
func (d *Daemon) URL() string { return d.api.URL() }

// GateURL is where the gate takes the beacon node's calls over HTTP; "" without one.
func (d *Daemon) GateURL() string {
	if d.gate == nil || d.gate.Addr(gate.NameHTTP) == nil {
		return ""
	}
	return "http://" + d.gate.Addr(gate.NameHTTP).String()
}

// Run ends with ctx (then without an error) or when a part fails: such an error is one
// of syncd itself, whatever it wraps, so that a service manager starts syncd again.
// beside runs with the parts.
func (d *Daemon) Run(ctx context.Context, beside ...func(context.Context)) error {
	if d.traces != nil {
		defer d.traces.Close()
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.api.Run(ctx) })
	if d.gate != nil {
		group.Go(func() error { return d.gate.Run(ctx) })
	}
	group.Go(func() error {
		err := d.Pair.Run(ctx)
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
		nodes.run(ctx, d.interval, d.Pair.Snapshot)
		return nil
	})
	if d.webhook != nil {
		beside = append(beside, d.webhook.Run)
	}
	for _, run := range beside {
		group.Go(func() error { run(ctx); return nil })
	}
	return exit.With(exit.Internal, group.Wait())
}

// Notify returns what keeps the service manager informed, to run beside the daemon.
// It is called before Run.
func (d *Daemon) Notify() func(context.Context) {
	n := newNotifier(d.Pair.Snapshot, d.log)
	return func(ctx context.Context) { n.run(ctx, d.interval) }
}
