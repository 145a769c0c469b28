// Package wire makes the requests of registry plugins: over verified TLS,
// within limits of size, number and rate, within the budget that the registry's
// answers tell, and with the patience that it asks for. Whatever a plugin waits
// for, it says in a log line.
package wire
