// Package memory keeps the past of a pair in three tiers: the last quarter of an hour by
// the second, six hours by 15 seconds, 14 days by five minutes. It also keeps since when
// the pair works, what its last trouble was and what each node had when it last answered. A
// file of its own beside the journal carries all over a restart, and a small one what changes
// with each poll, so that it is at most a minute old after a kill. A file that cannot be read
// is an empty past.
package memory
