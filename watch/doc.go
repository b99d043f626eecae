// Package watch is the control loop of a pair of the coordinated era. There the
// beacon node drives gwat, so the loop does not: it polls both nodes, decides in which
// stage the pair is, judges its health, and publishes a snapshot after every poll. The
// stages and the machine are those of package fsm. Where a precondition of the beacon
// node's driver is proved to be broken and the operator lets it, it restores that
// precondition (package heal); nothing else changes a node.
//
//	poll -> Observation -> facts -> fsm.Decide -> health -> heal -> snapshot -> publish.Board
package watch
