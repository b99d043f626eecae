// Package protocol is the border between syncd's loops and what the two eras of the
// protocol between beacon node and gwat differ in. Beyond it nobody knows an era's stages,
// errors and call names.
//
// Both eras take a gwat through the same five steps:
//
//	what is gwat's state          Reader.State
//	may a head sync begin, where  State.MayBegin, State.Mark
//	prepare, push, release        Driver
//	complete                      Driver.Complete
//	what became of a lost call    Era.ClassifyPending
//
// In the head-sync era (HeadSync) syncd takes all of them. In the coordinated era
// (Coordinated) the beacon node does, and syncd only in its place, as a heal that the
// operator switched on.
package protocol
