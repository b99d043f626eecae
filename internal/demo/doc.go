// Package demo runs a simulated pair and a daemon for it in one process.
package demo
