// Package trivy is the ingest plugin for what `trivy image --format json`
// writes (schema version 2). Memory depends on nothing but the largest single
// value of a document.
package trivy
