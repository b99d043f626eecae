// Package poll reads both nodes of a pair: a Poller makes one Observation after the
// other, and a History keeps what several of them show together. No call of it changes
// a node.
package poll
