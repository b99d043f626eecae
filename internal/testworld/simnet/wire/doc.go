// Package wire carries HTTP requests to a simulated node in memory, so that a
// test can run client and node on a fake clock (testing/synctest). It is a
// connection with faults, not a server: what the node's handler writes is passed
// on as it is written.
package wire
