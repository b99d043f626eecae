// Package quietstart keeps the terminal library from asking the terminal for its
// background colour at the start of every command: a terminal that does not
// answer (docker run -t) would hold syncd up for five seconds, and no colour
// that syncd uses depends on the answer.
//
// The library asks in an init function, which nothing can be passed to. Go
// initializes ready packages in the order of their paths, so this one, which
// imports the standard library alone, comes before golang.org/x/sys, on which
// the library depends.
package quietstart

import "os"

// ci is the variable that tells the library that nobody is at the terminal.
const ci = "CI"

var was, had = os.LookupEnv(ci)

func init() {
	if !had {
		_ = os.Setenv(ci, "1") // it cannot fail with these arguments
	}
}

// Over puts the environment back; main calls it first.
func Over() {
	if !had {
		_ = os.Unsetenv(ci)
		return
	}
	_ = os.Setenv(ci, was)
}
