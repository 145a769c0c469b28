// Package oci is the registry plugin for everything that speaks the OCI
// distribution API: docker-registry, zot, and, within what they allow, the
// products that have richer APIs of their own.
package oci
