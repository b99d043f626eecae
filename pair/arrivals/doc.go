// Package arrivals takes from the channels of a loop what is there already, without waiting: a
// loop of either era takes several messages that wait in a fixed order.
package arrivals
