// Package section holds the generated sections of the documents to the code.
package section
