// Package pair is the control loop of one gwat–beacon pair. It observes both
// nodes, lets fsm decide in which stage the pair is, has workers act, and
// publishes a snapshot after every step. It acts on what both nodes are now;
// what it remembers of its own doings are hints that are proved again.
package pair
