// Package dockerhub is the registry plugin for Docker Hub. The repositories of
// one namespace come from Docker Hub's API, with an access token (as the
// password of a user, or of an organization) or anonymously those that are
// public. Tags and digests come from the registry itself, by requests that are
// not counted as pulls.
//
// The namespace stands behind the host in the address (https://docker.io/acme);
// without one it is the user's.
package dockerhub
