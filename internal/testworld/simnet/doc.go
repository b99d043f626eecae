// Package simnet runs a simulated gwat and a simulated beacon node of the same
// network in one process, behind real listeners on 127.0.0.1.
package simnet
