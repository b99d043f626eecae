// Package status holds the snapshot of a pair: what syncd reports about it, as
// plain data. pair writes it, api and the terminal read it; nobody reads the
// machine itself.
package status
