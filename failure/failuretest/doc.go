// Package failuretest holds what the tests of every decoder ask of an error.
package failuretest
