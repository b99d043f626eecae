// Package clidoc writes what documents a command line: completion scripts and the
// manual page, from the commands, the settings and the exit codes themselves.
package clidoc
