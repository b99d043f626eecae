// Package watched keeps a value that was read from files, such as a secret or a
// certificate, up to date with them.
package watched
