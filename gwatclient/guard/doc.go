// Package guard issues the right to change gwat. The control loop says after each step
// whether anything speaks against it. gwatclient makes no call that changes gwat without a
// Permit, and an observer's guard issues none.
package guard
