// Package checkpoint holds the types that every other package shares (Spec,
// Checkpoint, ConsensusInfo) and the pure rules about them: slot and epoch
// arithmetic, whether a node has reached the last checkpoint, and whether two
// nodes belong together. It does no I/O and has no clock.
package checkpoint
