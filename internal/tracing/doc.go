// Package tracing sends one trace of each head sync to an OpenTelemetry collector, by
// OTLP over HTTP: a span of the whole, and one for each time that the attempt collected,
// waited for a ready, pushed a batch and confirmed it. Attempts that have to wait and push nothing
// are one head sync.
package tracing
