// Package recording is the form in which a pair is recorded for support: what the
// nodes answered, what passed the gate, how each poll was evaluated, and stages and
// findings over some time, with secrets and addresses masked. A bundle is a gzip file of JSON lines,
// a header first.
package recording
