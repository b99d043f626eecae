// Package memory keeps the past of a pair in three tiers: the last quarter of an hour by
// the second, six hours by 15 seconds, 14 days by five minutes. It also keeps since when
// the pair works and what its last trouble was. A file of its own beside the journal
// carries both over a restart; a file that cannot be read is an empty past.
package memory
