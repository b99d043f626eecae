// Package logs makes syncd's log, lines of text or JSON in which a trouble that
// goes on is not repeated every second, and the writers through which a process
// can write without ever waiting for, or dying of, the reader of its output.
package logs
