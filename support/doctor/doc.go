// Package doctor says in words how a pair is, what is wrong with it and what to do.
package doctor
