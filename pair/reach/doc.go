// Package reach puts the errors of both clients into the words of package health.
package reach
