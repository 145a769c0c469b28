// Package direct is the transport that needs nothing in between: TCP, where
// need be through an HTTP proxy with CONNECT. It is plain Go, a listener and a
// dialler, so the daemon runs it in its own process; served as a plugin it is
// the same code.
//
// It carries bytes and nothing more: it authenticates nobody and encrypts
// nothing but the way to a proxy. Sessions run their own TLS over it.
package direct
