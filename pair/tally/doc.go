// Package tally counts what happens in a pair of either era: changes of the stage and calls
// to the nodes.
package tally
