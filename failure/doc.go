// Package failure names the four kinds an error can be of, so that whoever
// acts on an error asks errors.Is and never reads its text.
package failure
