// Package operator is what an operator does with a running syncd: find it, ask how its
// pair is, watch it, wait for it, and send it orders.
package operator
