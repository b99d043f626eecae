// Package conformance asks real nodes the read-only rows of the API tables that
// syncd is built on, and names every difference. It never makes a call that
// changes a node.
package conformance
