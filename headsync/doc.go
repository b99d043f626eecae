// Package headsync takes gwat from the last checkpoint to the beacon's head:
// it collects the canonical blocks, proves how far gwat has them already, asks
// for readiness, pushes what follows, proves that it was applied, and verifies
// that both nodes then work. What can be decided without I/O is pure.
package headsync
