// Package faults says which faults syncd is put through, what it does about
// each, and which test proves it; docs/faults.md is made from it.
package faults
