// Package document reads the documents of scanners as a stream, with limits on
// their size, on single values, on texts and on counts. What is wrong is refused
// with the place where it is wrong.
//
// The decoder is go-json-experiment's, the coming encoding/json/v2, because it
// reads token by token, refuses names given twice and text that is not UTF-8,
// and knows where in a document it is.
package document
