// Package proof judges whole processes from outside: by the status that syncd
// tells and by the call log that the simulated gwat keeps.
package proof
