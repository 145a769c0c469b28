// Package intake takes in the scan results that CI pipelines post. A document is
// spooled, hashed and parsed by an ingest plugin; what it says is checked and
// kept in one transaction, and the receipt that follows means: committed and on
// the disk. Provenance is kept with it: tool, version, job, source, who posted.
//
// A document that names an image by digest gives a verdict beside our own scan's.
// It adds findings, never removes ours and never moves a tag. One that names no
// digest is kept and listed and counts nowhere in admission. The same document
// of the same producer again is a duplicate and changes nothing; a newer document
// of a producer takes the place of its older one for the same image.
package intake
