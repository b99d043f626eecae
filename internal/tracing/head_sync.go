package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/headsync"
)

// headSync is the trace of one attempt. Its methods are called one after the other.
type headSync struct {
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

// Report takes in how far the attempt is.
func (h *headSync) Report(r headsync.Report) {
	name := parts[r.Phase]
	if r.Note != "" { // it is of whatever the attempt is at
		h.whole.AddEvent(r.Note)
		return
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

// End ends the trace by how the attempt ended.
func (h *headSync) End(result headsync.Result, err error) {
	h.endPart(err)
	h.whole.SetAttributes(
		attribute.Int("syncd.pushed", result.Pushed), attribute.Bool("syncd.synced", result.Synced), attribute.Int64("syncd.head_slot", int64(result.Head.Slot)))
	fail(h.whole, err)
	h.whole.End()
}

func (h *headSync) endPart(err error) {
	if h.part != nil {
		fail(h.part, err)
		h.part.End()
	}
}

func fail(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(attribute.String("syncd.error_kind", failure.Name(err)))
		span.SetStatus(codes.Error, failure.Message(err))
	}
}
