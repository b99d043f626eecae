// Package guard issues the right to change gwat. The control loop says after each
// step whether anything speaks against it; only a Permit of the guard makes the
// calls that change gwat, and an observer's guard issues none.
package guard
