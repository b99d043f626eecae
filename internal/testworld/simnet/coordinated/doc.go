// Package coordinated simulates a pair of the coordinated era: a gwat that answers as
// real ones do (docs of the calls: dag_coordinatedState, dag_finalize and what reads
// its state), and a beacon node with its REST API and the state machine by which it
// drives gwat (W: waits, C: asks the state, M: MainSync an epoch at a time, H: HeadSync,
// N: NoSync with each new head).
//
// Both follow one Network: a chain with a block in every slot, each naming one spine.
package coordinated
