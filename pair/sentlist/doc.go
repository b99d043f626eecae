// Package sentlist compares the list of a beacon node's dag_headSync, which the gate
// answered without gwat, with what syncd collected over REST and with what gwat has
// finalized. It is pure but for a lock: the loop says what was collected, which block
// is canonical, and what gwat was read to have.
package sentlist
