// Package distribution asks registries by the OCI distribution API, which all
// kinds have under their own ones.
//
// Authentication (the ping, the challenge, exchanging a password for a bearer
// token, renewing it) is the transport package of go-containerregistry, which
// knows the dialects of many registries and where not to send a password. The
// listings are our own few requests and not that library's Catalog and List:
// those follow a Link to any host, read answers of any size, and cannot tell an
// incomplete listing from a short one.
package distribution
