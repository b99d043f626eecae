package tracing

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/headsync"
)

// headSync is the trace of one head sync: of an attempt, and of those before it that had to wait
// for gwat or the beacon node and pushed nothing. Its methods are called one after the other.
type headSync struct {
	keep     func(*headSync) bool // keeps a trace whose attempt waits for the next one; false if it cannot
	attempts int
	waits    bool      // an attempt waited, and the next one has not come past where it did
	ended    time.Time // the last attempt, if it waits
	why      error     // and its error

	tracer trace.Tracer
	ctx    context.Context
	whole  trace.Span
	part   trace.Span // that the attempt is at; nil before the first
	name   string     // of part
}

// parts names the span of each phase. Proving is a part of collecting: both go on in turns.
var parts = map[headsync.Phase]string{
	headsync.PhaseCollecting: "collect",
	headsync.PhaseProving:    "collect",
	headsync.PhaseReady:      "ready",
	headsync.PhasePushing:    "batch",
	headsync.PhaseConfirming: "confirm",
}

// steps is the order of the spans that come before anything is pushed: what waits there is
// tried again each second.
var steps = map[string]int{"collect": 1, "ready": 2}

// Report takes in how far the attempt is.
func (h *headSync) Report(r headsync.Report) {
	name := parts[r.Phase]
	if r.Note != "" { // it is of whatever the attempt is at
		h.whole.AddEvent(r.Note)
		return
	}
	if h.waits && steps[name] > 0 && steps[name] <= steps[h.name] {
		name = h.name // the next attempt is not past where the last one waited
	} else {
		h.waits = false
	}
	if h.part == nil || name != h.name {
		h.endPart(nil)
		h.name = name
		_, h.part = h.tracer.Start(h.ctx, name, trace.WithAttributes(
			attribute.Int64("syncd.from_slot", int64(r.From)), attribute.Int64("syncd.to_slot", int64(r.To))))
	}
	h.part.SetAttributes(attribute.Int("syncd.done", r.Done), attribute.Int("syncd.total", r.Total))
	if r.Accepted {
		h.part.SetAttributes(attribute.Int("syncd.entries", len(r.Push)))
	}
	if r.Waiting != "" {
		h.part.AddEvent("waits for " + r.Waiting)
	}
}

// End ends the trace by how the attempt ended, unless the next attempt goes on with it.
func (h *headSync) End(result headsync.Result, err error) {
	h.attempts++
	if err != nil && result.Pushed == 0 && steps[h.name] > 0 && !failure.Canceled(err) && !errors.Is(err, failure.NeedsHuman) {
		h.waits, h.ended, h.why = true, time.Now(), err
		if h.keep(h) {
			return
		}
	}
	h.end(result, err)
}

// over ends the trace of an attempt that no other one followed, at the time at which it ended.
func (h *headSync) over() {
	h.end(headsync.Result{}, h.why, trace.WithTimestamp(h.ended))
}

func (h *headSync) end(result headsync.Result, err error, at ...trace.SpanEndOption) {
	h.endPart(err, at...)
	h.whole.SetAttributes(attribute.Int("syncd.attempts", h.attempts),
		attribute.Int("syncd.pushed", result.Pushed), attribute.Bool("syncd.synced", result.Synced), attribute.Int64("syncd.head_slot", int64(result.Head.Slot)))
	fail(h.whole, err)
	h.whole.End(at...)
}

func (h *headSync) endPart(err error, at ...trace.SpanEndOption) {
	if h.part != nil {
		fail(h.part, err)
		h.part.End(at...)
	}
}

func fail(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(attribute.String("syncd.error_kind", failure.Name(err)))
		span.SetStatus(codes.Error, failure.Message(err))
	}
}
