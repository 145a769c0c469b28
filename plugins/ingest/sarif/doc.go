// Package sarif is the ingest plugin for SARIF 2.1.0, as scanners of images
// write it for code hosting sites: Trivy, Grype, Docker Scout, Snyk and others.
//
// SARIF has no place for packages and their versions. The scanners write them
// into the messages of results and into the help of rules, as lines of "Name:
// value", which is where they are read from; what names no package is no finding
// about one, and is left out with a warning. Prefer a scanner's own format where
// there is a choice.
//
// A rule may come after the results that refer to it, so the results of one run
// are kept until its rules are known; memory grows with them up to a limit.
package sarif
