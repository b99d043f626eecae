// Package exit holds the exit codes of syncd, the same for every command, and the
// errors that carry one.
package exit
