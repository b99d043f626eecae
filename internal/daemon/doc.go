// Package daemon runs one pair with its API: what `syncd run` and `syncd demo` share.
// Beside the two it logs when a node stops or begins to answer, and keeps the service
// manager informed.
package daemon
