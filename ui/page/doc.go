// Package page is the page that a browser shows at /: files of our own, served
// as they are. What it shows it asks of the API at the same address.
package page
