// Package buildinfo says which syncd this is.
package buildinfo
