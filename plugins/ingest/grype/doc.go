// Package grype is the ingest plugin for what `grype -o json` writes. Such a
// document lists matches: findings with the packages they were found in, and no
// packages besides.
//
// A finding that Grype knows by another name than its CVE's (a GitHub advisory,
// say) goes by the CVE when the document relates it to exactly one, so that it
// is the same finding as everybody else's.
package grype
