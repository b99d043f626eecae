// Package orders brings an operator's orders to the loop of a pair, of either era. The
// loop carries one out after the other; whoever gave it waits until that is done.
package orders
