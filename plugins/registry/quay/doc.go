// Package quay is the registry plugin for Quay, as quay.io or one's own. The
// repositories of one namespace come from Quay's API, by an OAuth token with the
// scope repo:read, or anonymously those that are public. Tags and digests come
// from the registry itself, with a robot's name and password or with the same
// token.
//
// The namespace stands behind the host in the address; without one it is the
// robot's.
package quay
