// Package counted writes numbers of things in English.
package counted
