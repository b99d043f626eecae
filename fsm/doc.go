// Package fsm decides in which stage a pair is. It holds the stages, the
// events, one transition table and the rule that turns what was observed into
// an event. It is pure: no I/O, no clock, no goroutine.
package fsm
