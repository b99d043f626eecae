// Package health evaluates a pair by several signals, never by one flag. An Engine
// takes what each poll measured and returns the findings and the verdict that they
// amount to. One table holds the rules: what a finding means, how long its signals
// must last, when it is gone, and what to do. The package is pure: no I/O, no clock;
// time comes with the input.
package health
