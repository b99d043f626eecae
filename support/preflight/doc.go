// Package preflight looks before the start at all that syncd needs: settings,
// journal, disk, address, certificate, both nodes, network and clock. It changes
// nothing, neither on a node nor on the disk.
package preflight
