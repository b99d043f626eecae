// Package heal decides which precondition of the beacon node's driver syncd restores in
// a pair of the coordinated era, and when: pure functions from what the polls showed to
// a heal or to the reason why there is none. It makes no calls and has no clock.
//
//	Facts -> Prove (each heal) -> Record.Next (held for 4 slots, back-off) -> an attempt
package heal
