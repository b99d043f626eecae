//go:build race

package gate

import "syscall"

// The race detector sees what orders a write before its read in package syscall's calls only.

// readNow reads what a socket has.
func readNow(fd uintptr, p []byte) (int, error) {
	n, err := syscall.Read(int(fd), p[:min(len(p), maxNow)])
	return max(n, 0), err
}

// writeNow writes what a socket takes.
func writeNow(fd uintptr, p []byte) (int, error) {
	n, err := syscall.Write(int(fd), p[:min(len(p), maxNow)])
	return max(n, 0), err
}
