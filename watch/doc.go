// Package watch is the control loop of a pair of the coordinated era. There the
// beacon node drives gwat, so the loop changes nothing: it polls both nodes, decides
// in which stage the pair is, judges its health, and publishes a snapshot after every
// poll. The stages and the machine are those of package fsm.
//
//	poll -> Observation -> facts -> fsm.Decide -> health -> snapshot -> publish.Board
package watch
