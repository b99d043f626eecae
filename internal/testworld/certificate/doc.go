// Package certificate makes certificates for tests of what is served over TLS.
package certificate
