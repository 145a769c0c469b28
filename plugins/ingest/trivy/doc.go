// Package trivy is the ingest plugin for what `trivy image --format json`
// writes (schema version 2). A document is read as a stream, with limits on its
// size, on single values, on texts and on counts, and with memory that depends
// on none of them but the largest single value. What is wrong is refused with
// the place where it is wrong.
//
// The decoder is go-json-experiment's, the coming encoding/json/v2, because it
// reads token by token, refuses names given twice and text that is not UTF-8,
// and knows where in a document it is.
package trivy
