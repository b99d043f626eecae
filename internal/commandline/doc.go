// Package commandline is how every command of syncd reads its command line: flags made
// from the settings, the flags that find a running syncd, and errors of one line.
package commandline
