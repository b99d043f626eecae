// Package beaconsim simulates a beacon node of the head-sync era (2022-11-10): its
// REST and event stream as recorded, its initial sync from zero, and the calls
// it makes to gwat each slot and, with the built-in driver on, for head sync.
package beaconsim
