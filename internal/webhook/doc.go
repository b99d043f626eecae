// Package webhook sends a message over HTTP when a finding lasts and when it is over, for
// those without Alertmanager. It reads snapshots and never makes the loop wait: messages
// go through a bounded queue to one sender, which tries again with a back-off.
package webhook
