// Package endpoint parses, checks and masks addresses: those of gwat, of the beacon
// node and of syncd's own API, and the paths of Unix sockets.
//
// An address may hold a password or a key. Errors of this package never repeat one,
// and Endpoint.String, Mask and Redact return text that is fit for logs, metrics and
// the API. The other way, Endpoint.Raw is what a client dials.
package endpoint
