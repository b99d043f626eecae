package tracing

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gwatsync/syncd/pair"
)

const (
	exportTimeout = 5 * time.Second
	closeTimeout  = 2 * time.Second
	// patience is how long after an attempt that waits the next one still belongs to its trace.
	patience = time.Minute
)

// Config says where traces go and whose they are.
type Config struct {
	Endpoint      string // URL of the collector
	Pair, Version string
	Log           logrus.FieldLogger
}

// Tracer traces the head syncs of one pair. Nothing runs before the first of them.
type Tracer struct {
	cfg      Config
	client   *http.Client
	mu       sync.Mutex
	provider *sdktrace.TracerProvider // nil before the first head sync and after Close
	closed   bool
	waiting  *headSync // whose attempt pushed nothing and is followed by another; nil for none
	expiry   *time.Timer
}

// New returns a tracer.
func New(cfg Config) *Tracer {
	return &Tracer{cfg: cfg, client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}, Timeout: exportTimeout}}
}

// HeadSync begins the trace of a head-sync attempt, or goes on with that of the attempts before
// it that wait; nil if it cannot be traced.
func (t *Tracer) HeadSync(attempt uint64) pair.Trace {
	tracer, err := t.tracer()
	if err != nil {
		t.cfg.Log.WithError(err).Warn("Head syncs cannot be traced")
		return nil
	}
	if tracer == nil {
		return nil
	}
	if h := t.take(); h != nil && time.Since(h.ended) < patience {
		return h
	} else if h != nil {
		h.over()
	}
	ctx, span := tracer.Start(context.Background(), "head_sync", trace.WithAttributes(attribute.Int64("syncd.attempt", int64(attempt))))
	return &headSync{keep: t.keep, tracer: tracer, ctx: ctx, whole: span}
}

// keep keeps the trace of an attempt that waits for the next one.
func (t *Tracer) keep(h *headSync) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.waiting = h
	t.expiry = time.AfterFunc(patience, func() { t.expire(h) })
	return true
}

// expire ends a trace that no attempt went on with: the stage was left, or syncd is paused.
func (t *Tracer) expire(h *headSync) {
	t.mu.Lock()
	mine := t.waiting == h
	if mine {
		t.waiting = nil
	}
	t.mu.Unlock()
	if mine {
		h.over()
	}
}

// take returns the trace that waits for an attempt.
func (t *Tracer) take() *headSync {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.waiting
	if h != nil {
		t.expiry.Stop()
	}
	t.waiting = nil
	return h
}

// tracer returns what makes spans, and begins to export them; nil after Close.
func (t *Tracer) tracer() (trace.Tracer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, nil
	}
	if t.provider == nil {
		exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(t.url()), otlptracehttp.WithHTTPClient(t.client),
			otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
		if err != nil {
			return nil, fmt.Errorf("begin to export traces: %w", err)
		}
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
			t.cfg.Log.WithError(err).Warn("A trace could not be sent to the collector")
		}))
		about := resource.NewSchemaless(
			attribute.String("service.name", "syncd"), attribute.String("service.version", t.cfg.Version), attribute.String("syncd.pair", t.cfg.Pair))
		t.provider = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter, sdktrace.WithExportTimeout(exportTimeout)), sdktrace.WithResource(about))
	}
	return t.provider.Tracer("github.com/gwatsync/syncd"), nil
}

// url is where traces go: the path of OTLP unless the setting names one.
func (t *Tracer) url() string {
	u, err := url.Parse(t.cfg.Endpoint)
	if err != nil || u.Path != "" && u.Path != "/" {
		return t.cfg.Endpoint
	}
	return u.JoinPath("v1", "traces").String()
}

// Close sends what is left, for a moment, and ends the export.
func (t *Tracer) Close() {
	t.mu.Lock()
	provider := t.provider
	t.provider, t.closed = nil, true
	t.mu.Unlock()
	if h := t.take(); h != nil {
		h.over()
	}
	if provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := provider.Shutdown(ctx); err != nil {
		t.cfg.Log.WithError(err).Warn("The last traces could not be sent to the collector")
	}
	t.client.CloseIdleConnections()
}
