// Package simulation runs the whole daemon against the simulated pair in one
// process and in fake time, from a seed: what happens, when, and what goes wrong
// is decided by the seed alone, so that a run can be repeated exactly. After each
// run the rules S1 to S10, progress and liveness are checked from the nodes' own
// logs. Most seeds make short chains; a share makes chains of up to 20,000 slots. In
// nearly half of them syncd is between the nodes, as their gate. Every fifth seed is
// of the coordinated era: syncd watches a pair that the beacon node drives, and heals it.
package simulation
