// Package publish makes and keeps what a pair's loop publishes. Build is the one pure
// function from what the loop knows (State) to a snapshot; Meters and Push measure what
// several polls and reports show. A Board has the newest snapshot, the recent past as
// samples, and the subscribers to both: the loop writes, any number of goroutines read
// with a Reader, and no reader can hold the loop up.
package publish
