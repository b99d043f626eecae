// Package world makes the network that simulated nodes live in: a beacon chain
// with epochs, justification, forks, reorgs and missed slots, and the gwat DAG
// beneath it. A world is a pure function of its Config, so that two simulated
// nodes in two processes see the same network without talking to each other.
package world
