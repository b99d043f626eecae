// Package orders brings an operator's orders to the loop of a pair, of either era. The
// loop carries out one after the other; its caller waits until that is done.
package orders
