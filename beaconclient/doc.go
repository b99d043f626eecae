// Package beaconclient is a client of one beacon node's REST API and event
// stream, in the form of the fork whose blocks carry spines in eth1_data. It
// knows paths, forms, errors and limits, and nothing about stages or the rules
// of a head sync. After an HTTP 429 it sends nothing until the pause that the
// server asked for is over.
package beaconclient
