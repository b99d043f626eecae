// Package metrics reads what a registry holds, for tests.
package metrics
