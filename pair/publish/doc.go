// Package publish holds what a pair's loop has published: the newest snapshot, the
// recent past as samples, and the subscribers to both. The loop writes, any number
// of goroutines read; no reader can hold the loop up.
package publish
